// A hash table from memory ids to small values: open addressing, 8 bytes and the value an entry, no
// allocation but the one array.
#ifndef FRACTAL_SRC_ID_TABLE_H
#define FRACTAL_SRC_ID_TABLE_H

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fractal {

template <class Value> class IdTable {
 public:
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return entries_.capacity() * sizeof(Entry); }

  const Value* find(MemoryId id) const noexcept {
    if (entries_.empty()) return nullptr;
    const Entry& entry = entries_[place(id)];
    return entry.id == id ? &entry.value : nullptr;
  }
  Value* find(MemoryId id) noexcept { return const_cast<Value*>(static_cast<const IdTable*>(this)->find(id)); }

  // Afterwards so many entries fit without an allocation.
  void reserve(std::size_t count) {
    std::size_t wanted = 16;
    while (wanted * 3 / 4 < count) wanted *= 2;
    if (wanted > entries_.size()) rehash(wanted);
  }

  // The value of the id, made if it is new.
  Value& operator[](MemoryId id) {
    reserve(size_ + 1);
    Entry& entry = entries_[place(id)];
    if (entry.id != id) {
      entry.id = id;
      ++size_;
    }
    return entry.value;
  }

  void erase(MemoryId id) noexcept {
    if (entries_.empty()) return;
    std::size_t hole = place(id);
    if (entries_[hole].id != id) return;
    // Entries behind the hole that it separates from their home move up into it.
    for (std::size_t i = next(hole); entries_[i].id != none; i = next(i)) {
      const std::size_t home = hash(entries_[i].id);
      if (((i - home) & mask()) >= ((i - hole) & mask())) {
        entries_[hole] = entries_[i];
        hole = i;
      }
    }
    entries_[hole] = Entry{};
    --size_;
  }

  template <class Visit> void each(const Visit& visit) const {
    for (const Entry& entry : entries_) {
      if (entry.id != none) visit(entry.id, entry.value);
    }
  }

 private:
  static constexpr MemoryId none = ~MemoryId{0};
  struct Entry {
    MemoryId id = none;
    Value value{};
  };

  std::size_t mask() const noexcept { return entries_.size() - 1; }
  std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
  std::size_t hash(MemoryId id) const noexcept { return ((id * 0x9E3779B97F4A7C15u) >> 32) & mask(); }
  // Where the id is, or would be.
  std::size_t place(MemoryId id) const noexcept {
    std::size_t i = hash(id);
    while (entries_[i].id != id && entries_[i].id != none) i = next(i);
    return i;
  }
  void rehash(std::size_t count) {
    std::vector<Entry> old(count);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.id != none) entries_[place(entry.id)] = entry;
    }
  }

  std::vector<Entry> entries_;  // a power of two, at most three quarters in use
  std::size_t size_ = 0;
};

}  // namespace fractal

#endif
