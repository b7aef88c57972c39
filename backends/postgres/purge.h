// Tables without a byte of what was deleted from them.
#ifndef FRACTAL_BACKENDS_POSTGRES_PURGE_H
#define FRACTAL_BACKENDS_POSTGRES_PURGE_H

#include <fractal/fractal_memory.h>

#include "backends/postgres/connection.h"

#include <chrono>
#include <span>

namespace fractal::postgres_backend {

// Rewrites the tables, which nobody may read meanwhile; what was deleted, and committed, before the call is in none of their
// files when it returns. unsupported: the role may not rewrite one of them. unavailable: after `patience` somebody may still
// read what was deleted; nothing is rewritten then, or only some.
Result<void> purge_tables(Connection& connection, std::span<const char* const> tables,
                          std::chrono::milliseconds patience, const Control& control);

}  // namespace fractal::postgres_backend

#endif
