// Invariant: no likeness of a usable query and any row overflows, so each is a number.
//
// A sign a component: with s the signs of v, q.v is estimated by (q.s) * |v|^2 / (v.s), which is right for q = v
// (RaBitQ: Gao and Long, SIGMOD 2024, section 3.2, without its rotation).
#include "backends/hnsw/walk_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fractal::hnsw {
namespace {

// Lengths of vectors of which float takes the product.
constexpr double shortest = 1e-15, longest = 1e15;
constexpr std::size_t bits_of_word = 64, words_of_line = 8;

bool fits_float(double square) { return square >= shortest * shortest && square <= longest * longest; }

template <class Visit> void each_row(const Generation& generation, Visit visit) {
  const std::size_t capacity = generation.blocks.front()->capacity;
  for (std::size_t row = 0; row < generation.rows; ++row) visit(*generation.blocks[row / capacity], row % capacity);
}

// |v|^2 / (v.s) of a row, in units of its scale; its signs to `bits`.
float signs_of(const std::uint8_t* codes, std::size_t stride, std::uint64_t* bits) {
  std::int32_t length = 0, square = 0;
  for (std::size_t j = 0; j < stride; j += bits_of_word) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bits_of_word; ++i) {
      const std::int32_t code = std::int32_t{codes[j + i]} - 128;
      word |= std::uint64_t{code > 0} << i;
      length += std::abs(code);
      square += code * code;
    }
    bits[j / bits_of_word] = word;
  }
  return length > 0 ? static_cast<float>(square) / static_cast<float>(length) : 0;
}

}  // namespace

WalkCodes::WalkCodes(const Generation& generation, Codes kind) {
  const VectorChunk& front = *generation.blocks.front();
  rows_.block_bytes = generation.block_bytes;
  rows_.block_bits = static_cast<unsigned>(std::countr_zero(front.capacity));
  rows_.count = generation.rows;
  scales_.reserve(generation.rows);
  if (generation.metric == Metric::l2) squares_.reserve(generation.rows);
  switch (kind) {
    case Codes::int8: take_int8(generation); break;
    case Codes::float32: take_float32(generation); break;
    case Codes::bit: take_bits(generation); break;
  }
  rows_.scales = scales_.data();
  rows_.squares = squares_.empty() ? nullptr : squares_.data();
}

void WalkCodes::take_int8(const Generation& generation) {
  rows_.kind = Codes::int8;
  rows_.first = generation.blocks.front()->codes;
  rows_.stride = generation.blocks.front()->stride;
  each_row(generation, [&](const VectorChunk& chunk, std::size_t row) {
    scales_.push_back(chunk.scales[row]);
    if (generation.metric == Metric::l2) squares_.push_back(chunk.norms[row] * chunk.norms[row]);
  });
}

void WalkCodes::take_float32(const Generation& generation) {
  bool fits = true;
  each_row(generation,
           [&](const VectorChunk& chunk, std::size_t row) { fits = fits && fits_float(chunk.squares[row]); });
  if (!fits) return take_int8(generation);
  rows_.kind = Codes::float32;
  rows_.first = reinterpret_cast<const std::uint8_t*>(generation.blocks.front()->vectors);
  rows_.stride = generation.dimension * sizeof(float);
  each_row(generation, [&](const VectorChunk& chunk, std::size_t row) {
    const double square = chunk.squares[row];
    scales_.push_back(generation.metric == Metric::cosine ? static_cast<float>(1 / std::sqrt(square)) : 1);
    if (generation.metric == Metric::l2) squares_.push_back(static_cast<float>(square));
  });
}

void WalkCodes::take_bits(const Generation& generation) {
  take_int8(generation);  // for scales and squares
  const VectorChunk& front = *generation.blocks.front();
  rows_.kind = Codes::bit;
  // No row but those longer than a line of the cache lies in two of them.
  std::size_t words = front.stride / bits_of_word;
  words = words < words_of_line ? std::bit_ceil(words) : (words + words_of_line - 1) / words_of_line * words_of_line;
  rows_.stride = words * sizeof(std::uint64_t);
  rows_.block_bytes = rows_.stride << rows_.block_bits;
  bits_.resize(generation.rows * words + 2 * words_of_line);
  void* begin = bits_.data();
  std::size_t room = bits_.size() * sizeof(std::uint64_t);
  auto* bits =
      static_cast<std::uint64_t*>(std::align(kernels::code_block, generation.rows * rows_.stride, begin, room));
  rows_.first = reinterpret_cast<const std::uint8_t*>(bits);
  each_row(generation, [&, scale = scales_.data()](const VectorChunk& chunk, std::size_t row) mutable {
    *scale++ *= signs_of(chunk.codes + row * chunk.stride, chunk.stride, bits);
    bits += words;
  });
}

std::size_t WalkCodes::bytes() const {
  return (scales_.size() + squares_.size()) * sizeof(float) + bits_.size() * sizeof(std::uint64_t);
}

// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): of codes_ only the stride is filled, and read
QueryCodes::QueryCodes(Codes kind, Metric metric, std::span<const float> vector) {
  const std::size_t stride = code_stride(vector.size());
  walk_.vector = vector.data();
  walk_.codes = {codes_.data(), stride, 0};
  const double square = kernels::dot(vector.data(), vector.data(), vector.size());
  if (kind == Codes::float32) {
    usable_ = fits_float(square);
    return;
  }
  const double length = std::sqrt(square);
  const double factor = metric == Metric::l2 ? 1 : 1 / length;
  usable_ = length > 0 && length <= longest_coded(metric);
  if (!usable_) return;
  walk_.scale = encode(vector, factor, length * factor, codes_.data()).scale;
  for (std::size_t j = 0; j < stride; ++j) walk_.codes.offset += 128 * codes_[j];
}

}  // namespace fractal::hnsw
