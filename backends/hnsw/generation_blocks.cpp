// Invariant: the blocks lie in one region, block_bytes apart, and each keeps it; those that are shared with an older
// generation cannot be written.
#include "backends/hnsw/generation_image.h"

#include "src/error.h"

#include <algorithm>
#include <utility>

namespace fractal::hnsw {
namespace {

// Shows the image at `from` at `to` as well, or copies it where the system cannot.
Result<void> place_block(Region& region, std::size_t at, std::span<const std::byte> from, std::size_t block_bytes) {
  FRACTAL_TRY_INTO(const bool shared, region.share(at, from.data(), block_bytes));
  if (shared) return {};
  FRACTAL_TRY(region.fill(at, block_bytes));
  std::copy(from.begin(), from.end(), region.data() + at);
  return region.seal(at, block_bytes);
}

// Memory for the rows, the first full blocks of `front` in it.
Result<Blocks> lay_out(std::size_t rows, std::size_t dimension, std::size_t block_rows, const Generation* front,
                       std::size_t shared) {
  if (dimension < 1 || dimension > limits::dimension || !is_block_rows(block_rows) || rows > no_node) {
    return make_error(Errc::invalid_argument, "blocks of {} rows for {} rows of dimension {}", block_rows, rows,
                      dimension);
  }
  const std::size_t count = (rows + block_rows - 1) / block_rows;
  Blocks made;
  made.block_bytes = whole_parts(ChunkLayout(block_rows, dimension).bytes);
  if (count == 0) return made;
  FRACTAL_TRY_INTO(const std::shared_ptr<Region> region, Region::reserve(count * made.block_bytes));
  for (std::size_t i = 0; i < shared; ++i) {
    FRACTAL_TRY(place_block(*region, i * made.block_bytes, block_image(*front->blocks[i]), made.block_bytes));
  }
  FRACTAL_TRY(region->fill(shared * made.block_bytes, (count - shared) * made.block_bytes));
  for (std::size_t i = 0; i < count; ++i) {
    made.blocks.push_back(std::make_shared<VectorChunk>(block_rows, dimension, i < shared ? block_rows : 0,
                                                        region->data() + i * made.block_bytes, region));
  }
  made.filled = shared * block_rows;
  return made;
}

}  // namespace

Result<Blocks> make_blocks(std::size_t rows, std::size_t dimension, std::size_t block_rows) {
  return lay_out(rows, dimension, block_rows, nullptr, 0);
}

Result<Blocks> extend_blocks(const Generation& front, std::size_t rows) {
  if (front.blocks.empty()) return make_blocks(rows, front.dimension);
  const std::size_t block_rows = front.blocks.front()->capacity;
  const std::size_t kept = std::min(front.rows, rows);
  FRACTAL_TRY_INTO(Blocks made, lay_out(rows, front.dimension, block_rows, &front, kept / block_rows));
  for (; made.filled < kept; ++made.filled) {
    const std::size_t block = made.filled / block_rows, row = made.filled % block_rows;
    made.blocks[block]->copy(row, *front.blocks[block], row);
  }
  return made;
}

}  // namespace fractal::hnsw
