// The rows of a space that a query's ids allow.
#ifndef FRACTAL_SRC_ALLOWED_ROWS_H
#define FRACTAL_SRC_ALLOWED_ROWS_H

#include "slot_table.h"

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace fractal {

struct AllowedRows {
  std::vector<Slot> slots{};  // of living rows, rising
  // Of the frozen rows, by their number in the view. Empty if there are none, if so few are allowed (one in 256) that
  // a walk through all would never do, or if nobody owns the ids: they are then asked for all at once.
  std::vector<std::uint64_t> bits{};

  std::size_t bytes() const { return slots.size() * sizeof(Slot) + bits.size() * sizeof(std::uint64_t); }
};

// Filters are asked again and again: their rows are kept for as long as somebody keeps the ids, and the rows stay
// where they are. Any thread.
class AllowedCache {
 public:
  // `space_bytes`: what the space may take in memory; 0: no limit.
  explicit AllowedCache(std::uint64_t space_bytes);

  // Null: not known. `layout` is a number that no two states of the rows share.
  std::shared_ptr<const AllowedRows> find(const IdSet& ids, std::uint64_t layout);
  void keep(const IdSet& ids, std::uint64_t layout, const std::shared_ptr<const AllowedRows>& rows);

 private:
  struct Entry {
    const std::vector<MemoryId>* ids = nullptr;
    std::weak_ptr<const std::vector<MemoryId>> owner{};  // while it lives, no other set has the address
    std::uint64_t layout = 0;
    std::shared_ptr<const AllowedRows> rows{};
  };
  void drop_useless(std::uint64_t layout);

  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last in front
  std::size_t bytes_ = 0;
};

}  // namespace fractal

#endif
