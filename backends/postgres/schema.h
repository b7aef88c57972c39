// The tables on the server.
#ifndef FRACTAL_BACKENDS_POSTGRES_SCHEMA_H
#define FRACTAL_BACKENDS_POSTGRES_SCHEMA_H

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

inline constexpr std::int64_t schema_version = 1;

// The version of the tables in the connection's schema; nullopt: there are none of ours.
Result<std::optional<std::int64_t>> stored_version(Connection& connection);
// Makes what is missing, in one transaction; two programs at the same moment take turns.
Result<void> migrate(Connection& connection);

}  // namespace fractal::postgres_backend

#endif
