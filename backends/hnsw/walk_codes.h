// The codes that walks over a generation's rows compare.
#ifndef FRACTAL_BACKENDS_HNSW_WALK_CODES_H
#define FRACTAL_BACKENDS_HNSW_WALK_CODES_H

#include "backends/hnsw/generation.h"
#include "backends/hnsw/graph.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fractal::hnsw {

// Over the rows of a generation, which must outlive it.
class WalkCodes {
 public:
  // Vectors too long or too short for sums in float are compared by int8, whatever is asked for.
  WalkCodes(const Generation& generation, Codes kind);

  const CodeRows& rows() const { return rows_; }
  std::size_t bytes() const;  // of memory of its own

 private:
  void take_int8(const Generation& generation);
  void take_float32(const Generation& generation);
  void take_bits(const Generation& generation);

  CodeRows rows_{};
  std::vector<float> scales_, squares_;
  std::vector<std::uint64_t> bits_;
};

// A query as the rows have their codes.
class QueryCodes {
 public:
  QueryCodes(Codes kind, Metric metric, std::span<const float> vector);
  QueryCodes(const QueryCodes&) = delete;
  QueryCodes& operator=(const QueryCodes&) = delete;

  bool usable() const { return usable_; }  // else rows must be compared in another way
  // To be completed by how far to walk. The vector must outlive it.
  const WalkQuery& walk() const { return walk_; }

 private:
  alignas(kernels::code_block) std::array<std::int8_t, limits::dimension> codes_;
  WalkQuery walk_{};
  bool usable_ = false;
};

}  // namespace fractal::hnsw

#endif
