// The records of the spaces that a commit touches: read once, changed in memory, written at its end.
#ifndef FRACTAL_BACKENDS_SQLITE_SPACE_CACHE_H
#define FRACTAL_BACKENDS_SQLITE_SPACE_CACHE_H

#include "backends/sqlite/rows.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace fractal::sqlite_backend {

class SpaceCache {
 public:
  explicit SpaceCache(Connection& connection) : connection_(connection) {}

  // What changes from here on belongs to this step (numbers rise) and can be undone.
  void begin_step(std::uint64_t step) noexcept { step_ = step; }
  void undo_step();

  // Made if need be.
  Result<SpaceRow*> find(const Space& space);
  // Null: there is none.
  Result<SpaceRow*> find(std::uint64_t number);
  // The row is gone from the file already.
  void erased(std::uint64_t number);
  Result<void> save();

 private:
  struct Entry {
    SpaceRow now{};
    SpaceRow saved{};   // as the file has it
    SpaceRow before{};  // when the step touched it first
    std::uint64_t touched = 0;
    std::uint64_t made = 0;  // the step that read it into the cache by creating it
    bool erased = false;
    bool erased_before = false;
  };

  SpaceRow* touch(Entry& entry);
  SpaceRow* add(SpaceRow row, bool made);
  Result<void> create(const Space& space, SpaceRow& row);

  Connection& connection_;
  std::uint64_t step_ = 0;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::map<Space, Entry*> live_;
  Entry* last_ = nullptr;
};

}  // namespace fractal::sqlite_backend

#endif
