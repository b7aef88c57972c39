// One space at one moment, read through one connection.
#ifndef FRACTAL_BACKENDS_SQLITE_READ_VIEW_H
#define FRACTAL_BACKENDS_SQLITE_READ_VIEW_H

#include <fractal/backend.h>

#include "backends/sqlite/file.h"

#include <memory>

namespace fractal::sqlite_backend {

// Begins the read transaction.
Result<std::unique_ptr<ReadView>> open_view(Lease lease, const Space& space);

}  // namespace fractal::sqlite_backend

#endif
