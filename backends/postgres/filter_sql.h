// Filters as SQL that finds a superset of what passes.
#ifndef FRACTAL_BACKENDS_POSTGRES_FILTER_SQL_H
#define FRACTAL_BACKENDS_POSTGRES_FILTER_SQL_H

#include "backends/postgres/rows.h"

namespace fractal::postgres_backend {

struct FilterQuery {
  std::string sql{};  // SELECT fm_id, whether it passes because nobody has indexed it yet
  Values values{};
  bool exact = true;  // it finds just the memories that pass
};

// `prefix`: only keys that begin so.
FilterQuery filter_query(const Filter& filter, std::string_view prefix, std::span<const Field> fields,
                         std::uint64_t space, std::int64_t limit);

}  // namespace fractal::postgres_backend

#endif
