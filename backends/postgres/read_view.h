// A space at one moment.
#ifndef FRACTAL_BACKENDS_POSTGRES_READ_VIEW_H
#define FRACTAL_BACKENDS_POSTGRES_READ_VIEW_H

#include <fractal/backend.h>

#include "backends/postgres/pool.h"

namespace fractal::postgres_backend {

Result<std::unique_ptr<ReadView>> open_view(Lease lease, const Space& space, bool row_security);

}  // namespace fractal::postgres_backend

#endif
