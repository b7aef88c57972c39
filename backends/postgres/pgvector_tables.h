// The tables of the pgvector index, the extension they need, and whose they are.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_TABLES_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_TABLES_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace fractal::postgres_backend {

inline constexpr std::int64_t pgvector_tables_version = 1;

// What each connection runs first, behind Server::setup: the extension's types are found wherever it was installed.
extern const char* const pgvector_setup;

// "0.8.5" is at least 0.8: what iterative scans need, without which a filtered graph gives short answers.
bool is_recent_pgvector(std::string_view version);

// Makes the extension and the tables, if need be and `create` says so. Two programs at the same moment take turns.
Result<void> prepare_pgvector(Connection& connection, bool create);
// From now on the tables are this storage's; conflict: they are another's. Returns what tells them from all others.
Result<std::string> claim_pgvector(Connection& connection, Storage& storage);

}  // namespace fractal::postgres_backend

#endif
