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

Result<std::vector<MemoryId>> evaluate(const Look& look, const Filter& filter, const std::string& prefix,
                                       const Control& control) {
  FRACTAL_TRY_INTO(auto selection, look.view().select(filter, prefix, std::numeric_limits<std::size_t>::max()));
  std::vector<MemoryId> proposed = std::move(selection.ids);
  if (!look.expired_ids().empty()) std::erase_if(proposed, [&](MemoryId id) { return look.hidden_id(id); });
  if (selection.exact) return proposed;

  std::vector<MemoryId> passed;
  for (std::size_t begin = 0; begin < proposed.size(); begin += rows_per_check) {
    FRACTAL_TRY(check_control(control, "filter"));
    const std::size_t size = std::min(rows_per_check, proposed.size() - begin);
    FRACTAL_TRY_INTO(const auto rows, look.view().fetch({proposed.data() + begin, size}, Columns::payload));
    for (const Row& row : rows) {
      if (matches(filter, row)) passed.push_back(row.id);
    }
  }
  return passed;
}

}  // namespace

Result<IdSet> candidates(const Database& database, const Look& look, const Filter& filter, const Coordinate& within,
                         const Control& control) {
  if (filter.empty() && within.empty()) return IdSet{};
  const SpaceRecord& space = look.space();
  // A memory that expires leaves the answer without a write.
  const bool lasting = look.expired_ids().empty();
  const std::string prefix = within.empty() ? std::string() : within.key();
  const std::string question = filter.to_json() + prefix;
  if (lasting) {
    if (IdSet known = database.filter_cache().find(space.number, space.sequence, question)) return known;
  }
  FRACTAL_TRY_INTO(auto ids, evaluate(look, filter, prefix, control));
  IdSet set = std::make_shared<const std::vector<MemoryId>>(std::move(ids));
  if (lasting) database.filter_cache().keep(space.number, space.sequence, question, set);
  return set;
}

}  // namespace fractal
