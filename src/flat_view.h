// One state of a space in the flat index, as a reader sees it, and the search over it.
#ifndef FRACTAL_SRC_FLAT_VIEW_H
#define FRACTAL_SRC_FLAT_VIEW_H

#include "slot_table.h"
#include "vector_chunk.h"

#include <fractal/backend.h>

#include <boost/container/static_vector.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fractal {

inline constexpr unsigned slot_bits = 12;
static_assert(VectorChunk::most_rows <= (1u << slot_bits));
inline constexpr Slot slot_of(std::size_t chunk, std::size_t row) {
  return static_cast<Slot>(chunk << slot_bits | row);
}
inline constexpr std::size_t chunk_of(Slot slot) { return slot >> slot_bits; }
inline constexpr std::size_t row_of(Slot slot) { return slot & ((1u << slot_bits) - 1); }

using Chunks = std::vector<std::shared_ptr<VectorChunk>>;

// Something that stands beside the first rows of a view and never changes, as a graph over them.
struct FrozenRows {
  virtual ~FrozenRows() = default;
  std::size_t rows = 0;
  std::size_t bytes = 0;  // of memory that no file holds
};

struct FlatView {
  // Sequence numbers, from the first to the last, as of which the rows are complete.
  struct Moments {
    std::uint64_t first = 0, last = 0;
  };

  std::shared_ptr<const Chunks> chunks = std::make_shared<Chunks>();
  std::size_t rows = 0;  // published; each chunk is full before the next begins, but for the last frozen one
  std::shared_ptr<const FrozenRows> frozen{};  // null: none
  std::size_t living = 0;                      // rows that are alive as of `changed`
  std::size_t dimension = 0;                   // 0: no row yet
  Metric metric = Metric::cosine;
  std::uint64_t changed = 0;  // sequence of the last change to a vector
  // Rising; never empty. The last one ends with what is applied. Moments in between were skipped.
  boost::container::static_vector<Moments, 8> moments{Moments{}};

  std::uint64_t applied() const { return moments.back().last; }
  bool knows(std::uint64_t as_of) const;
  std::size_t frozen_rows() const { return frozen ? frozen->rows : 0; }
  // Of a chunk that begins with the row of this number.
  std::size_t rows_of(std::size_t chunk, std::size_t first) const;
  const VectorChunk& chunk(Slot slot) const { return *(*chunks)[chunk_of(slot)]; }
};

// Rows in their order, as visit(chunk, row in the chunk).
template <class Visit> void each_row(const FlatView& view, Visit visit) {
  std::size_t first = 0;
  for (std::size_t c = 0; first < view.rows; ++c) {
    const std::size_t rows = view.rows_of(c, first);
    for (std::size_t row = 0; row < rows; ++row) visit(*(*view.chunks)[c], row);
    first += rows;
  }
}

// `unavailable` if the view cannot say what was alive at the query's moment.
Result<void> check_moment(const FlatView& view, const VectorQuery& query);
// The hits among all rows, or those from a chunk on.
Result<VectorHits> scan_view(const FlatView& view, const VectorQuery& query, std::size_t first_chunk = 0);
// The hits among these rows, all alive as of the query's moment and allowed. Rising slots are the fastest.
Result<VectorHits> scan_slots(const FlatView& view, const VectorQuery& query, std::span<const Slot> slots);
// For slots of rows that may be among the best: their exact scores. Neither matched nor visited is counted.
Result<std::vector<VectorHits::Entry>> best_of(const FlatView& view, const VectorQuery& query,
                                               std::span<const Slot> slots);

}  // namespace fractal

#endif
