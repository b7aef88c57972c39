// The tables on the server.
#ifndef FRACTAL_BACKENDS_POSTGRES_SCHEMA_H
#define FRACTAL_BACKENDS_POSTGRES_SCHEMA_H

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

inline constexpr std::int64_t schema_version = 1;

// The version of the tables in the connection's schema; nullopt: there are none of ours.
Result<std::optional<std::int64_t>> stored_version(Connection& connection);
// unsupported: the service's own are there, where ours would be made.
Result<void> check_no_others(Connection& connection);
// The service's tables that are missing, without our columns.
Result<void> make_service_tables(Connection& connection);
// Makes what is missing, within a transaction; two programs at the same moment take turns. `others`: tables of the
// service that are there without our columns get them, or are `unsupported`.
enum class Others { refuse, take };
Result<void> make_tables(Connection& connection, Others others);
// In a transaction of its own; those of others are refused.
Result<void> migrate(Connection& connection);

}  // namespace fractal::postgres_backend

#endif
