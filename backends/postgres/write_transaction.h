// The steps of one commit.
#ifndef FRACTAL_BACKENDS_POSTGRES_WRITE_TRANSACTION_H
#define FRACTAL_BACKENDS_POSTGRES_WRITE_TRANSACTION_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

// As Storage::apply.
Result<void> run_steps(Connection& writer, std::span<WriteStep> steps);

}  // namespace fractal::postgres_backend

#endif
