// Deciding whether a memory passes a filter: the one place where the meaning of filters is code.
#ifndef FRACTAL_SRC_FILTER_MATCH_H
#define FRACTAL_SRC_FILTER_MATCH_H

#include "json_scan.h"

#include <fractal/backend.h>
#include <fractal/filter.h>

#include <boost/container/small_vector.hpp>

#include <compare>
#include <string>

namespace fractal {

// Exact, also between integers and doubles. Unordered if the values are of different kinds.
std::partial_ordering compare(const Value& left, const Value& right) noexcept;

// For many rows: keeps its buffers. One thread at a time.
class FilterMatcher {
 public:
  explicit FilterMatcher(Filter filter) : filter_(std::move(filter)) {}
  bool operator()(const Row& row);

 private:
  // The members of one JSON object of the row, found when the first test asks for them.
  struct Members {
    bool read = false;
    boost::container::small_vector<json::Member, 16> list;
  };

  bool passes(const FilterNode* node, const Memory& memory);
  std::string_view json_value(const FilterNode& node, const Memory& memory);

  Filter filter_;
  Members payload_;
  Members metadata_;
  std::string buffer_;
};

}  // namespace fractal

#endif
