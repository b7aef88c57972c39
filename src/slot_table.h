// Where the living row of a memory is: an array by id where the ids of a space lie close together, which
// is nearly always, else a hash table.
#ifndef FRACTAL_SRC_SLOT_TABLE_H
#define FRACTAL_SRC_SLOT_TABLE_H

#include "id_table.h"

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fractal {

// Where a row is: chunk << slot_bits | row in the chunk.
using Slot = std::uint32_t;

class SlotTable {
 public:
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return array_.capacity() * sizeof(Slot) + hash_.bytes(); }

  const Slot* find(MemoryId id) const noexcept {
    if (is_hash_) return hash_.find(id);
    const MemoryId place = id - first_;  // ids before the first become large
    return place < array_.size() && array_[place] != none ? &array_[place] : nullptr;
  }

  // Afterwards ids from `low` to `high` can be set without an allocation, if they are at most `count` new ones.
  void reserve(MemoryId low, MemoryId high, std::size_t count) {
    if (low > high) return;  // there are none
    if (!is_hash_ && !widen(low, high, count)) move_to_hash();
    if (is_hash_) hash_.reserve(size_ + count);
  }

  // Of an id that was reserved.
  void set(MemoryId id, Slot slot) {
    Slot& place = is_hash_ ? hash_[id] : array_[id - first_];
    if (is_hash_) {
      size_ = hash_.size();
    } else if (place == none) {
      ++size_;
    }
    place = slot;
  }

  void erase(MemoryId id) noexcept {
    if (find(id) == nullptr) return;
    --size_;
    if (is_hash_) {
      hash_.erase(id);
    } else {
      array_[id - first_] = none;
    }
  }

 private:
  static constexpr Slot none = ~Slot{0};

  // False if the array would be too sparse.
  bool widen(MemoryId low, MemoryId high, std::size_t count) {
    if (array_.empty()) first_ = low;
    const MemoryId first = low < first_ ? low : first_;
    const MemoryId last = high > first_ + array_.size() ? high : first_ + array_.size();
    if (last - first >= 8 * (size_ + count) + 64) return false;
    array_.insert(array_.begin(), first_ - first, none);
    first_ = first;
    const MemoryId range = high - first_ + 1;
    if (range <= array_.size()) return true;
    if (range > array_.capacity()) array_.reserve(array_.capacity() * 2 > range ? array_.capacity() * 2 : range);
    array_.resize(range, none);
    return true;
  }

  void move_to_hash() {
    IdTable<Slot> hash;
    hash.reserve(size_);
    for (std::size_t i = 0; i < array_.size(); ++i) {
      if (array_[i] != none) hash[first_ + i] = array_[i];
    }
    hash_ = std::move(hash);
    array_ = {};
    is_hash_ = true;
  }

  bool is_hash_ = false;
  std::size_t size_ = 0;
  MemoryId first_ = 0;
  std::vector<Slot> array_;
  IdTable<Slot> hash_;
};

}  // namespace fractal

#endif
