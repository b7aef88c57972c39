// The records of the spaces that a commit touches: read once, changed in memory, written at its end. For storages that
// keep them in rows of their own.
#ifndef FRACTAL_SRC_SPACE_CACHE_H
#define FRACTAL_SRC_SPACE_CACHE_H

#include <fractal/backend.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fractal {

// What the row of a space holds.
struct SpaceRow {
  SpaceRecord record{};
  std::uint64_t audit_records = 0;
  std::int64_t audit_oldest = INT64_MAX;  // microseconds
  std::string mark{};                     // ReadView::mark() of who reads it; never written

  friend bool operator==(const SpaceRow&, const SpaceRow&) = default;
};

// The rows, inside the transaction of the commit.
class SpaceRows {
 public:
  virtual ~SpaceRows() = default;
  virtual Result<std::optional<SpaceRow>> find(const Space& space) = 0;
  virtual Result<std::optional<SpaceRow>> find(std::uint64_t number) = 0;
  // A number that no space ever had. With counters of 0.
  virtual Result<SpaceRow> create(const Space& space) = 0;
  virtual Result<void> save(const SpaceRow& row) = 0;
};

class SpaceCache {
 public:
  explicit SpaceCache(SpaceRows& rows) : rows_(rows) {}

  // What is read or changes from here on belongs to this step (numbers rise) and can be undone.
  void begin_step(std::uint64_t step) noexcept { step_ = step; }
  void undo_step();

  // Made if need be.
  Result<SpaceRow*> find(const Space& space);
  // Null: there is none.
  Result<SpaceRow*> find(std::uint64_t number);
  // Its row is gone already.
  void erased(std::uint64_t number);
  Result<void> save();

 private:
  struct Entry {
    SpaceRow now{};
    SpaceRow saved{};   // as the row has it
    SpaceRow before{};  // when the step touched it first
    std::uint64_t touched = 0;
    std::uint64_t added = 0;  // the step that found or made it
    bool erased = false;
    bool erased_before = false;
  };

  SpaceRow* touch(Entry& entry);
  SpaceRow* add(SpaceRow row);

  SpaceRows& rows_;
  std::uint64_t step_ = 0;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::map<Space, Entry*> live_;
  Entry* last_ = nullptr;
};

}  // namespace fractal

#endif
