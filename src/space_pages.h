// The visible memories, or links, of a space in the order of their keys, page by page. Each page is a moment of its own,
// and no moment is held between pages.
#ifndef FRACTAL_SRC_SPACE_PAGES_H
#define FRACTAL_SRC_SPACE_PAGES_H

#include "src/database.h"
#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace fractal {

// Rows of a page: by the bytes of those before, so that large rows come in short pages.
class PageSize {
 public:
  std::size_t rows() const noexcept { return rows_; }
  void saw(std::size_t rows, std::size_t bytes) noexcept {
    constexpr std::size_t most_rows = 1000, page_bytes = 8u << 20;
    const std::size_t fitting = page_bytes / std::max<std::size_t>(1, bytes / std::max<std::size_t>(1, rows));
    rows_ = std::clamp<std::size_t>(fitting, 1, std::min(2 * rows_, most_rows));
  }

 private:
  std::size_t rows_ = 128;
};

// One row after another. Next: how a page is read, for the two below.
template <class Item, class Source> class SpacePages {
 public:
  // The control must outlive it.
  SpacePages(const Database& database, const Space& space, const Control& control)
      : database_(database), space_(space), control_(control) {}

  // Null at the end. Valid, and the caller's to take from, until pop().
  Result<Item*> peek() {
    while (next_ == page_.size() && !at_end_) {
      FRACTAL_TRY(check_control(control_, "copy"));
      FRACTAL_TRY_INTO(const Look look, database_.look(space_, nullptr, control_));
      record_ = look.space();
      page_.clear();
      next_ = 0;
      FRACTAL_TRY(static_cast<Source*>(this)->read(look));
    }
    return next_ == page_.size() ? nullptr : &page_[next_];
  }
  void pop() noexcept { ++next_; }
  // At the moment of the page.
  const SpaceRecord& space() const noexcept { return record_; }

 protected:
  // Takes over the visible ones of the rows read.
  template <class Bytes, class Hidden> void take(std::vector<Item>&& rows, const Bytes& bytes, const Hidden& hidden) {
    std::size_t sum = 0;
    for (const Item& row : rows) sum += bytes(row);
    at_end_ = rows.size() < size_.rows();
    size_.saw(rows.size(), sum);
    std::erase_if(rows, hidden);
    page_ = std::move(rows);
  }

  PageSize size_;

 private:
  const Database& database_;
  const Space& space_;
  const Control& control_;
  SpaceRecord record_;
  std::vector<Item> page_;
  std::size_t next_ = 0;
  bool at_end_ = false;
};

class MemoryPages : public SpacePages<Row, MemoryPages> {
 public:
  using SpacePages::SpacePages;
  void begin_after(const Coordinate& coordinate);

 private:
  friend SpacePages;
  Result<void> read(const Look& look);
  std::optional<Position> after_;
};

// In the order (from, type, to). A link is visible if neither end has expired.
class LinkPages : public SpacePages<LinkRow, LinkPages> {
 public:
  using SpacePages::SpacePages;
  void begin_after(LinkRow link) { after_ = std::move(link); }

 private:
  friend SpacePages;
  Result<void> read(const Look& look);
  std::optional<LinkRow> after_;
};

inline bool hidden(const Look& look, const LinkRow& row) {
  return look.hidden_key(row.from) || look.hidden_key(row.to);
}

inline std::weak_ordering key_order(const Row& left, const Row& right) {
  return left.memory.coordinate <=> right.memory.coordinate;
}
inline std::weak_ordering key_order(const LinkRow& left, const LinkRow& right) {
  return std::tie(left.from, left.type, left.to) <=> std::tie(right.from, right.type, right.to);
}

// visit(Item* left, Item* right) for each key that one of the two has, in order; null: it has not.
template <class Pages, class Visit> Result<void> side_by_side(Pages& left, Pages& right, const Visit& visit) {
  for (;;) {
    FRACTAL_TRY_INTO(auto* const one, left.peek());
    FRACTAL_TRY_INTO(auto* const other, right.peek());
    if (one == nullptr && other == nullptr) return {};
    std::weak_ordering order = std::weak_ordering::equivalent;
    if (one == nullptr || other == nullptr) {
      order = other == nullptr ? std::weak_ordering::less : std::weak_ordering::greater;
    } else {
      order = key_order(*one, *other);
    }
    FRACTAL_TRY(visit(order <= 0 ? one : nullptr, order >= 0 ? other : nullptr));
    if (order <= 0) left.pop();
    if (order >= 0) right.pop();
  }
}

}  // namespace fractal

#endif
