// Rows of the flat index: vectors, their int8 codes, and how far the codes are off.
#ifndef FRACTAL_SRC_VECTOR_CHUNK_H
#define FRACTAL_SRC_VECTOR_CHUNK_H

#include <fractal/backend.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace fractal {

// A vector v as scale * codes: norm >= |scale * codes|, error >= |v - scale * codes|, both rounded up.
// Where no such code makes sense (v too long for sums in float) scale and norm are 0, error is infinite.
struct CodeTerms {
  float scale = 0;
  float norm = 0;
  float error = 0;
};

std::size_t code_stride(std::size_t dimension);
// Codes of factor * vector, in -127..127, the rest of the stride 0; `length` is the vector's, times factor.
CodeTerms encode(std::span<const float> vector, double factor, double length, std::int8_t* codes);
// Longer vectors have no code.
double longest_coded(Metric metric);

// Where each array of a chunk begins in its image: the bytes of its rows, which a file may hold as they are.
struct ChunkLayout {
  ChunkLayout(std::size_t rows, std::size_t dimension);
  std::size_t codes, vectors, ids, born, squares, scales, norms, errors;  // offsets, each a multiple of 64
  std::size_t bytes;
};

// A fixed number of rows at fixed addresses, filled from the front by one writer. Readers look only at
// rows that were published to them; of those nothing changes any more but `died`.
class VectorChunk {
 public:
  static constexpr std::uint64_t alive = ~std::uint64_t{0};
  static constexpr std::size_t most_rows = 4096;

  VectorChunk(std::size_t rows, std::size_t components);
  // Over an image with its first `used` rows filled, of which nothing may be written; `owner` keeps it in place.
  VectorChunk(std::size_t rows, std::size_t components, std::size_t used, const std::byte* image,
              std::shared_ptr<const void> owner);
  // Of an image, for each row.
  static std::size_t row_bytes(std::size_t dimension);
  // A good capacity for the chunk that follows so many rows: small spaces stay small. A multiple of 16.
  static std::size_t good_capacity(std::size_t rows_before, std::size_t dimension);

  // `square`: kernels::dot of the vector with itself.
  void write(std::size_t row, MemoryId id, std::uint64_t sequence, std::span<const float> vector, double square,
             Metric metric);
  void copy(std::size_t row, const VectorChunk& from, std::size_t from_row);
  void kill(std::size_t row, std::uint64_t sequence);

  // Every row written so far was born by then and none has died: true needs no look at the rows.
  bool all_alive(std::uint64_t as_of) const {
    return deaths_.load(std::memory_order_relaxed) == 0 && youngest_.load(std::memory_order_relaxed) <= as_of;
  }
  bool is_alive(std::size_t row, std::uint64_t as_of) const {
    return born[row] <= as_of && as_of < died[row].load(std::memory_order_relaxed);
  }
  // The capacity of the chunks of a generation: a power of two, 16 at least.
  static std::size_t block_rows(std::size_t dimension);

  const float* vector(std::size_t row) const { return vectors + row * dimension; }
  std::size_t bytes() const { return bytes_; }  // of memory of its own
  const std::byte* image() const { return reinterpret_cast<const std::byte*>(codes); }

  const std::size_t capacity;
  const std::size_t dimension;
  const std::size_t stride;       // of codes
  std::uint8_t* codes = nullptr;  // 128 is zero
  float* vectors = nullptr;       // as they were stored
  MemoryId* ids = nullptr;
  std::uint64_t* born = nullptr;
  std::atomic<std::uint64_t>* died = nullptr;  // `alive`, or the first sequence without the row
  double* squares = nullptr;
  float* scales = nullptr;
  float* norms = nullptr;
  float* errors = nullptr;

 private:
  void place(std::byte* image);

  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte[]> block_;  // null: the image is another's
  std::shared_ptr<const void> owner_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> deaths_of_rows_;
  std::atomic<std::uint64_t> youngest_{0};
  std::atomic<std::uint32_t> deaths_{0};
};

}  // namespace fractal

#endif
