// One state of a space in the flat index, as a reader sees it, and the search over it.
#ifndef FRACTAL_SRC_FLAT_VIEW_H
#define FRACTAL_SRC_FLAT_VIEW_H

#include "vector_chunk.h"

#include <fractal/backend.h>

#include <boost/container/static_vector.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace fractal {

// Where a row is: chunk << 12 | row in the chunk.
using Slot = std::uint32_t;
inline constexpr unsigned slot_bits = 12;
static_assert(VectorChunk::most_rows <= (1u << slot_bits));
inline constexpr Slot slot_of(std::size_t chunk, std::size_t row) {
  return static_cast<Slot>(chunk << slot_bits | row);
}
inline constexpr std::size_t chunk_of(Slot slot) { return slot >> slot_bits; }
inline constexpr std::size_t row_of(Slot slot) { return slot & ((1u << slot_bits) - 1); }

using Chunks = std::vector<std::shared_ptr<VectorChunk>>;

struct FlatView {
  // Sequence numbers, from the first to the last, as of which the rows are complete.
  struct Moments {
    std::uint64_t first = 0, last = 0;
  };

  std::shared_ptr<const Chunks> chunks = std::make_shared<Chunks>();
  std::size_t rows = 0;       // published; each chunk is full before the next begins
  std::size_t dimension = 0;  // 0: no row yet
  Metric metric = Metric::cosine;
  std::uint64_t changed = 0;  // sequence of the last change to a vector
  // Rising; never empty. The last one ends with what is applied. Moments in between were skipped.
  boost::container::static_vector<Moments, 8> moments{Moments{}};

  std::uint64_t applied() const { return moments.back().last; }
  bool knows(std::uint64_t as_of) const;
  const VectorChunk& chunk(Slot slot) const { return *(*chunks)[chunk_of(slot)]; }
};

// The hits among all rows.
Result<VectorHits> scan_view(const FlatView& view, const VectorQuery& query);
// The hits among these rows, all alive as of the query's moment and allowed.
Result<VectorHits> score_slots(const FlatView& view, const VectorQuery& query, const std::vector<Slot>& slots);

}  // namespace fractal

#endif
