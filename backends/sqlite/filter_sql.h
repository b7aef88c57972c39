// Filters as SQL that finds a superset of what passes.
#ifndef FRACTAL_BACKENDS_SQLITE_FILTER_SQL_H
#define FRACTAL_BACKENDS_SQLITE_FILTER_SQL_H

#include <fractal/backend.h>

#include "backends/sqlite/rows.h"

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fractal::sqlite_backend {

// A value that the statement binds; texts and blobs are held here.
struct BoundText {
  std::string bytes;
};
struct BoundBlob {
  std::string bytes;
};
using Bound = std::variant<std::int64_t, double, BoundText, BoundBlob>;

struct FilterQuery {
  std::string sql;  // SELECT id ...; ?1 is the space, then the values, then the limit
  std::vector<Bound> values;
  bool exact = false;  // it finds just the memories that pass
};

// `prefix`: only keys that begin so.
FilterQuery filter_query(const Filter& filter, std::string_view prefix, std::span<const Field> fields);

}  // namespace fractal::sqlite_backend

#endif
