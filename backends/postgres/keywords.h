// The words of memories on the server.
#ifndef FRACTAL_BACKENDS_POSTGRES_KEYWORDS_H
#define FRACTAL_BACKENDS_POSTGRES_KEYWORDS_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

namespace fractal::postgres_backend {

// Queued. Replaces what the memory had; without any word it has no row.
Result<void> put_keywords(Connection& connection, std::uint64_t space, MemoryId id, const Keywords& keywords,
                          bool created);
// The value of sql::postings, and what its rows say.
Values postings_wanted(std::uint64_t space, std::span<const std::string> terms);
Postings postings_of(const Rows& rows, std::uint64_t space, std::span<const std::string> terms);

}  // namespace fractal::postgres_backend

#endif
