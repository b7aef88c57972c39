// Invariant: an id is in the set if and only if its memory is visible and passes filter and subtree; a
// storage may propose too many, never too few.
#include "src/candidates.h"

#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <limits>

namespace fractal {
namespace {
constexpr std::size_t rows_per_check = 1000;
}

Result<std::optional<std::vector<MemoryId>>> candidates(const Look& look, const Filter& filter,
                                                        const Coordinate& within, const Control& control) {
  if (filter.empty() && within.empty()) return std::optional<std::vector<MemoryId>>{};
  const std::string prefix = within.empty() ? std::string() : within.key();
  FRACTAL_TRY_INTO(auto selection, look.view().select(filter, prefix, std::numeric_limits<std::size_t>::max()));
  std::vector<MemoryId> proposed = std::move(selection.ids);
  if (!look.expired_ids().empty()) std::erase_if(proposed, [&](MemoryId id) { return look.hidden_id(id); });
  if (selection.exact) return std::optional(std::move(proposed));

  std::vector<MemoryId> passed;
  for (std::size_t begin = 0; begin < proposed.size(); begin += rows_per_check) {
    FRACTAL_TRY(check_control(control, "filter"));
    const std::size_t size = std::min(rows_per_check, proposed.size() - begin);
    FRACTAL_TRY_INTO(const auto rows, look.view().fetch({proposed.data() + begin, size}, Columns::payload));
    for (const Row& row : rows) {
      if (matches(filter, row)) passed.push_back(row.id);
    }
  }
  return std::optional(std::move(passed));
}

}  // namespace fractal
