// The rows and queries of the graph bench, of length 1, and the ten nearest rows of each query.
#ifndef FRACTAL_BENCH_VECTORS_H
#define FRACTAL_BENCH_VECTORS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fractal::bench {

struct Vectors {
  std::size_t dimension = 384;
  std::vector<float> rows{}, queries{};
  std::vector<std::array<std::uint32_t, 10>> nearest{};

  std::size_t row_count() const { return rows.size() / dimension; }
  std::size_t query_count() const { return queries.size() / dimension; }
  const float* row(std::size_t i) const { return rows.data() + i * dimension; }
  const float* query(std::size_t i) const { return queries.data() + i * dimension; }
};

// Vectors around centres, from a fixed seed: the first rows are the same, however many. Without `nearest` if so wanted.
Vectors clustered_vectors(std::size_t rows, std::size_t queries, bool with_nearest = true);

// From a folder of little-endian files:
//   minilm_hi_i8.bin, minilm_lo_i8.bin  int8 [n][384];  minilm_scale.f32  float32 [n]
//     a vector is (hi + lo / 254) * scale, then brought to length 1
//   base.i32  int32: which of the n are the rows, in this order
//   queries.f32  float32 [q][384];  truth_all.i32  int32 [q][10]: their nearest among the rows, by number in the n
Vectors vectors_of_folder(const std::string& folder);

// What the built-in embedder makes of a file's lines; the last `queries` of them are the queries. Without `nearest`.
Vectors vectors_of_texts(const std::string& file, std::size_t queries);

}  // namespace fractal::bench

#endif
