// The tables of a database file and how a file of an older schema becomes one of this.
#ifndef FRACTAL_BACKENDS_SQLITE_SCHEMA_H
#define FRACTAL_BACKENDS_SQLITE_SCHEMA_H

#include "backends/sqlite/connection.h"

#include <cstdint>
#include <span>

namespace fractal::sqlite_backend {

inline constexpr std::int64_t application_id = 0x46724d6d;  // "FrMm"
inline constexpr std::int64_t schema_version = 2;

// From version i to version i + 1, the first from an empty file.
struct Migration {
  const char* sql;
};
std::span<const Migration> migrations();

// What a file says of itself.
struct Identity {
  std::int64_t application = 0;
  std::int64_t version = 0;
  bool empty = false;  // no table at all
};
Result<Identity> identify(Connection& connection);

// An error unless the file is ours or empty, and not newer than `newest`.
Result<void> check_identity(const Identity& identity, const std::string& path, std::int64_t newest = schema_version);

// Brings the file to the version that the steps lead to, in one transaction. Does nothing if it is there.
Result<void> migrate(Connection& connection, std::span<const Migration> steps);

// corruption if a table or index is missing.
Result<void> check_tables(Connection& connection);

}  // namespace fractal::sqlite_backend

#endif
