// One commit: the steps of all its callers in one SQLite transaction.
#ifndef FRACTAL_BACKENDS_SQLITE_WRITE_TRANSACTION_H
#define FRACTAL_BACKENDS_SQLITE_WRITE_TRANSACTION_H

#include <fractal/backend.h>

#include "backends/sqlite/connection.h"

#include <span>

namespace fractal::sqlite_backend {

// See Storage::apply. True: something was committed.
Result<bool> run_steps(Connection& writer, std::span<WriteStep> steps);

}  // namespace fractal::sqlite_backend

#endif
