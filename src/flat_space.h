// The vectors of one space in memory, in chunks: what commits and pulls change, and views of it for readers.
#ifndef FRACTAL_SRC_FLAT_SPACE_H
#define FRACTAL_SRC_FLAT_SPACE_H

#include "allowed_rows.h"
#include "flat_view.h"
#include "slot_table.h"

#include <fractal/backend.h>

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <utility>
#include <vector>

namespace fractal {

// Rows made elsewhere that take the place of a space's first rows.
struct Adoption {
  std::shared_ptr<const FrozenRows> frozen{};
  Chunks blocks{};                    // equal capacities, but for the last one full; of no other view
  std::vector<std::uint32_t> dead{};  // rows that were dead as of the sequence
  std::uint64_t sequence = 0;         // all vectors alive as of it are among the rows
  std::size_t dimension = 0;
  Metric metric = Metric::cosine;
};

// A view, and where in it the rows are that a query allows.
struct Taken {
  FlatView view{};
  // Of the allowed ids without the excluded. Null: every row is allowed, or the moment asked for is an old one and
  // all rows must be looked at.
  std::shared_ptr<const AllowedRows> allowed{};
  std::size_t excluded = 0;  // excluded ids that have a living row
};

// Any thread may call. Writers take turns; a reader works on its view.
class FlatSpace {
 public:
  // `most_bytes`: of rows in memory of its own; a change that needs more is refused as `unavailable`. 0: no limit.
  explicit FlatSpace(std::uint64_t most_bytes = 0) : most_bytes_(most_bytes), allowed_(most_bytes) {}

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes);
  Result<void> catch_up(const SpaceRecord& to, const VectorIndex::Pull& pull);
  // `unavailable`: the rows are not those of this space, or of another shape; nothing has changed then.
  Result<void> adopt(const Adoption& adoption);
  VectorIndex::Stats stats() const;
  std::size_t bytes() const;

  FlatView view() const;
  std::uint64_t applied() const;
  bool has_frozen() const;
  // What a query needs. `most`: with more allowed ids than this share of the rows going through all is better.
  Taken take(const VectorQuery& query, double most) const;

 private:
  class Tail;
  struct Staged;
  class Adopting;

  bool fits(const SpaceRecord& to) const;
  // With one of the locks held.
  std::size_t bytes_of_all() const {
    return sizeof(*this) + slots_.bytes() + bytes_ + (view_.frozen ? view_.frozen->bytes : 0);
  }
  Staged stage(const SpaceRecord& to) const;
  Result<void> add(Staged& staged, const VectorChange& change, Metric metric) const;
  void publish(Staged& staged, const SpaceRecord& to, bool gap);
  Result<void> write(Tail& tail, const VectorChange& change, Metric metric, Slot& slot) const;
  Result<void> check_room(std::size_t bytes) const;
  Result<void> expect_room(const SpaceRecord& to) const;
  void compact();
  void replace(FlatView next, const Tail& tail, SlotTable& slots);
  void reset();
  AllowedRows allowed_rows(const VectorQuery& query, bool some_excluded) const;

  const std::uint64_t most_bytes_;
  std::mutex write_mutex_;
  mutable std::shared_mutex view_mutex_;
  // Changed with both locks held, so either is enough to read them.
  FlatView view_;
  SlotTable slots_;            // of the living rows
  std::uint64_t layout_ = 0;   // another number after each change to slots_
  std::size_t used_ = 0;       // rows in the last chunk
  std::size_t bytes_ = 0;      // of the chunks
  std::uint64_t refused_ = 0;  // so many vectors in all did not find room beside the present rows; 0: none were refused
  mutable AllowedCache allowed_;
};

}  // namespace fractal

#endif
