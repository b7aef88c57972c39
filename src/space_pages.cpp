// Invariant: each key comes at most once, in rising order, whatever is written between the pages.
#include "src/space_pages.h"

#include "src/cursor.h"

namespace fractal {

void MemoryPages::begin_after(const Coordinate& coordinate) { after_ = Position{.key = coordinate.key()}; }

Result<void> MemoryPages::read(const Look& look) {
  const Scan scan{.after = after_, .limit = size_.rows(), .columns = Columns::all};
  FRACTAL_TRY_INTO(auto rows, look.view().list(scan));
  if (!rows.empty()) after_ = position_of(rows.back());
  const auto bytes = [](const Row& row) {
    const Memory& memory = row.memory;
    return memory.payload.size() + memory.metadata.size() + memory.embedding.size() * sizeof(float);
  };
  take(std::move(rows), bytes, [&](const Row& row) { return look.hidden(row.memory); });
  return {};
}

Result<void> LinkPages::read(const Look& look) {
  FRACTAL_TRY_INTO(auto rows, look.view().list_links(after_ ? &*after_ : nullptr, size_.rows()));
  if (!rows.empty()) after_ = rows.back();
  const auto bytes = [](const LinkRow& row) { return row.metadata.size(); };
  take(std::move(rows), bytes, [&](const LinkRow& row) { return hidden(look, row); });
  return {};
}

}  // namespace fractal
