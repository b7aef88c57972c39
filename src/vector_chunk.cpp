// Invariant: norm and error of a code are upper bounds in exact arithmetic, whatever the vector. Every
// promise of exactness in the flat index rests on that.
#include "vector_chunk.h"

#include "kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>

namespace fractal {
namespace {

// A float above the exact value of which x is the result of a sum in double.
float above(double x) {
  return std::nextafter(static_cast<float>(x * (1 + 1e-9)), std::numeric_limits<float>::infinity());
}

constexpr std::size_t most_bytes = 8u << 20;
constexpr std::size_t alignment = 64;

}  // namespace

std::size_t code_stride(std::size_t dimension) {
  return (dimension + kernels::code_block - 1) / kernels::code_block * kernels::code_block;
}

double longest_coded(Metric metric) { return metric == Metric::l2 ? 1e15 : 1e30; }

CodeTerms encode(std::span<const float> vector, double factor, double length, std::int8_t* codes) {
  std::fill(codes, codes + code_stride(vector.size()), std::int8_t{0});
  float largest = 0;
  for (const float x : vector) largest = std::max(largest, std::fabs(x));
  const float scale = static_cast<float>(largest * factor / 127);
  if (!(scale > 0)) return {0, 0, above(length)};
  const double step = factor / scale;
  // Several sums, so that additions overlap.
  std::array<double, 4> errors{};
  std::int32_t squares = 0;
  for (std::size_t j = 0; j < vector.size(); ++j) {
    const double x = vector[j] * step;
    const int code = std::clamp(static_cast<int>(x + std::copysign(0.5, x)), -127, 127);
    codes[j] = static_cast<std::int8_t>(code);
    const double off = vector[j] * factor - code * static_cast<double>(scale);
    errors[j % errors.size()] += off * off;
    squares += code * code;  // at most limits::dimension * 127 * 127
  }
  const double error = std::accumulate(errors.begin(), errors.end(), 0.0);
  return {scale, above(scale * std::sqrt(static_cast<double>(squares))), above(std::sqrt(error))};
}

ChunkLayout::ChunkLayout(std::size_t rows, std::size_t dimension) : bytes(0) {
  const auto place = [this, rows](std::size_t bytes_of_row) {
    const std::size_t at = bytes;
    bytes += (rows * bytes_of_row + 63) / 64 * 64;
    return at;
  };
  codes = place(code_stride(dimension));
  vectors = place(dimension * sizeof(float));
  ids = place(sizeof(MemoryId));
  born = place(sizeof(std::uint64_t));
  squares = place(sizeof(double));
  scales = place(sizeof(float));
  norms = place(sizeof(float));
  errors = place(sizeof(float));
}

VectorChunk::VectorChunk(std::size_t rows, std::size_t components)
    : capacity(rows), dimension(components), stride(code_stride(components)) {
  // Aligned by hand: glibc before 2.38 does not give freed memory to aligned requests of the same size.
  std::size_t room = ChunkLayout(rows, components).bytes + alignment - 1;
  bytes_ = room;
  block_ = std::make_unique_for_overwrite<std::byte[]>(room);
  void* image = block_.get();
  place(static_cast<std::byte*>(std::align(alignment, room - alignment + 1, image, room)));
}

VectorChunk::VectorChunk(std::size_t rows, std::size_t components, std::size_t used, const std::byte* image,
                         std::shared_ptr<const void> owner)
    : capacity(rows), dimension(components), stride(code_stride(components)), owner_(std::move(owner)) {
  place(const_cast<std::byte*>(image));
  if (used > 0) youngest_.store(*std::max_element(born, born + used), std::memory_order_relaxed);
}

void VectorChunk::place(std::byte* image) {
  const ChunkLayout layout(capacity, dimension);
  const auto at = [image](auto*& array, std::size_t offset) {
    array = reinterpret_cast<std::remove_reference_t<decltype(array)>>(image + offset);
  };
  at(codes, layout.codes);
  at(vectors, layout.vectors);
  at(ids, layout.ids);
  at(born, layout.born);
  at(squares, layout.squares);
  at(scales, layout.scales);
  at(norms, layout.norms);
  at(errors, layout.errors);
  deaths_of_rows_ = std::make_unique<std::atomic<std::uint64_t>[]>(capacity);
  died = deaths_of_rows_.get();
  for (std::size_t row = 0; row < capacity; ++row) died[row].store(alive, std::memory_order_relaxed);
  bytes_ += capacity * sizeof(*died);
}

std::size_t VectorChunk::row_bytes(std::size_t dimension) {
  return code_stride(dimension) + dimension * sizeof(float) + 2 * sizeof(std::uint64_t) + sizeof(double) +
         3 * sizeof(float);
}

std::size_t VectorChunk::good_capacity(std::size_t rows_before, std::size_t dimension) {
  const std::size_t most = std::clamp<std::size_t>(most_bytes / row_bytes(dimension), 16, most_rows);
  return std::clamp<std::size_t>(rows_before, 16, most) / 16 * 16;
}

std::size_t VectorChunk::block_rows(std::size_t dimension) {
  return std::clamp<std::size_t>(std::bit_floor(most_bytes / row_bytes(dimension)), 16, most_rows);
}

void VectorChunk::write(std::size_t row, MemoryId id, std::uint64_t sequence, std::span<const float> vector,
                        double square, Metric metric) {
  const double factor = metric == Metric::cosine ? 1 / std::sqrt(square) : 1;
  const double length = std::sqrt(square) * factor;
  std::uint8_t* const code = codes + row * stride;
  CodeTerms terms{0, 0, std::numeric_limits<float>::infinity()};
  if (length <= longest_coded(metric)) {
    terms = encode(vector, factor, length, reinterpret_cast<std::int8_t*>(code));
  } else {
    std::fill(code, code + stride, std::uint8_t{0});
  }
  for (std::size_t j = 0; j < stride; ++j) code[j] ^= 128;  // from two's complement to 128 being zero
  std::copy(vector.begin(), vector.end(), vectors + row * dimension);
  ids[row] = id;
  born[row] = sequence;
  died[row].store(alive, std::memory_order_relaxed);
  squares[row] = square;
  scales[row] = terms.scale;
  norms[row] = terms.norm;
  errors[row] = terms.error;
  youngest_.store(std::max(sequence, youngest_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
}

void VectorChunk::copy(std::size_t row, const VectorChunk& from, std::size_t from_row) {
  std::memcpy(codes + row * stride, from.codes + from_row * stride, stride);
  std::memcpy(vectors + row * dimension, from.vector(from_row), dimension * sizeof(float));
  ids[row] = from.ids[from_row];
  born[row] = from.born[from_row];
  squares[row] = from.squares[from_row];
  scales[row] = from.scales[from_row];
  norms[row] = from.norms[from_row];
  errors[row] = from.errors[from_row];
  youngest_.store(std::max(born[row], youngest_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
}

void VectorChunk::kill(std::size_t row, std::uint64_t sequence) {
  died[row].store(sequence, std::memory_order_relaxed);
  deaths_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace fractal
