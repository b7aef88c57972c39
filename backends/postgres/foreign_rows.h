// Rows that other programs wrote: what has become of them.
#ifndef FRACTAL_BACKENDS_POSTGRES_FOREIGN_ROWS_H
#define FRACTAL_BACKENDS_POSTGRES_FOREIGN_ROWS_H

#include "backends/postgres/connection.h"

#include <string>
#include <vector>

namespace fractal::postgres_backend {

struct TakenRows {
  std::uint64_t memories = 0, links = 0;
};

// Makes memories and links of the rows that are none yet and can be, within a transaction that is marked as ours
// (sql::mark_writer). Rows that somebody is writing to
// are left out.
Result<TakenRows> take_foreign_rows(Connection& connection);

// Rows that cannot be memories or links, and those that have been waiting to be indexed for a minute; one sentence each.
Result<std::vector<std::string>> foreign_problems(Connection& connection);

}  // namespace fractal::postgres_backend

#endif
