// How often words stand in memories, read from FTS5's index without touching a text.
#ifndef FRACTAL_BACKENDS_SQLITE_POSTINGS_H
#define FRACTAL_BACKENDS_SQLITE_POSTINGS_H

#include <fractal/backend.h>

#include "backends/sqlite/connection.h"

#include <span>
#include <string>

namespace fractal::sqlite_backend {

// Makes the SQL function of read_postings(); once a connection. unsupported: a SQLite without FTS5.
Result<void> register_postings(Connection& connection);

// Of the memories with an id in first..last.
Result<Postings> read_postings(Connection& connection, std::span<const std::string> terms, MemoryId first,
                               MemoryId last);

}  // namespace fractal::sqlite_backend

#endif
