// A space at one moment.
#ifndef FRACTAL_BACKENDS_POSTGRES_READ_VIEW_H
#define FRACTAL_BACKENDS_POSTGRES_READ_VIEW_H

#include <fractal/backend.h>

#include "backends/postgres/pool.h"

#include <atomic>

namespace fractal::postgres_backend {

// `row_security`: whether the tables have it, as far as the program knows; set once it shows.
Result<std::unique_ptr<ReadView>> open_view(Lease lease, const Space& space, std::atomic<bool>& row_security);

}  // namespace fractal::postgres_backend

#endif
