// Invariant: every vector has length 1, and `nearest` are places among the rows.
#include "vectors.h"

#include "bench/number_file.h"
#include "src/kernels.h"

#include <fractal/embedder.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

namespace fractal::bench {
namespace {

void to_length_one(float* vector, std::size_t n) {
  const double length = std::sqrt(kernels::dot(vector, vector, n));
  for (std::size_t j = 0; j < n; ++j) vector[j] = static_cast<float>(vector[j] / length);
}

}  // namespace

Vectors clustered_vectors(std::size_t rows, std::size_t queries, bool with_nearest) {
  constexpr std::size_t centres = 400;
  Vectors out;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  // Few directions of variation, as text has, and some noise in all.
  constexpr std::size_t directions = 24;
  std::vector<float> basis((centres + directions) * out.dimension);
  for (float& x : basis) x = normal(random);
  const auto make = [&](std::vector<float>& to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const float* const centre = &basis[random() % centres * out.dimension];
      std::vector<float> vector(centre, centre + out.dimension);
      for (std::size_t k = 0; k < directions; ++k) {
        const float weight = 0.6F * normal(random);
        const float* const direction = &basis[(centres + k) * out.dimension];
        for (std::size_t j = 0; j < out.dimension; ++j) vector[j] += weight * direction[j];
      }
      for (float& x : vector) x += 0.3F * normal(random);
      to_length_one(vector.data(), vector.size());
      to.insert(to.end(), vector.begin(), vector.end());
    }
  };
  make(out.rows, rows);
  make(out.queries, queries);
  if (!with_nearest) return out;
  out.nearest.resize(queries);
  std::vector<std::pair<double, std::uint32_t>> all(rows);
  for (std::size_t q = 0; q < queries; ++q) {
    for (std::uint32_t row = 0; row < rows; ++row) {
      all[row] = {-kernels::dot(out.query(q), out.row(row), out.dimension), row};
    }
    std::partial_sort(all.begin(), all.begin() + 10, all.end());
    for (std::size_t i = 0; i < 10; ++i) out.nearest[q][i] = all[i].second;
  }
  return out;
}

Vectors vectors_of_folder(const std::string& folder) {
  Vectors out;
  const auto high = numbers_of<std::int8_t>(folder + "/minilm_hi_i8.bin");
  const auto low = numbers_of<std::int8_t>(folder + "/minilm_lo_i8.bin");
  const auto scales = numbers_of<float>(folder + "/minilm_scale.f32");
  const auto base = numbers_of<std::int32_t>(folder + "/base.i32");
  std::vector<std::uint32_t> place(scales.size());
  for (std::size_t i = 0; i < base.size(); ++i) {
    const auto number = static_cast<std::size_t>(base[i]);
    place[number] = static_cast<std::uint32_t>(i);
    for (std::size_t j = 0; j < out.dimension; ++j) {
      const std::size_t at = number * out.dimension + j;
      out.rows.push_back((static_cast<float>(high[at]) + static_cast<float>(low[at]) / 254) * scales[number]);
    }
    to_length_one(&out.rows[i * out.dimension], out.dimension);
  }
  out.queries = numbers_of<float>(folder + "/queries.f32");
  for (std::size_t i = 0; i < out.query_count(); ++i) to_length_one(&out.queries[i * out.dimension], out.dimension);
  const auto truth = numbers_of<std::int32_t>(folder + "/truth_all.i32");
  out.nearest.resize(out.query_count());
  for (std::size_t i = 0; i < out.query_count() * 10; ++i) {
    out.nearest[i / 10][i % 10] = place[static_cast<std::size_t>(truth[i])];
  }
  return out;
}

Vectors vectors_of_texts(const std::string& file, std::size_t queries) {
  constexpr std::size_t lines_at_once = 10'000;
  const auto embedder = builtin_embedder();
  Vectors out{.dimension = embedder->identity().dimension};
  std::ifstream in(file);
  std::vector<std::string> lines;
  const auto add_lines = [&] {
    const std::vector<std::string_view> texts(lines.begin(), lines.end());
    for (const auto& vector : embedder->embed(texts, {}).value()) {
      out.rows.insert(out.rows.end(), vector.begin(), vector.end());
    }
    lines.clear();
  };
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() == lines_at_once) add_lines();
  }
  if (!lines.empty()) add_lines();
  if (out.row_count() <= queries) {
    std::fprintf(stderr, "%s has too few lines\n", file.c_str());
    std::exit(1);
  }
  for (std::size_t i = 0; i < out.row_count(); ++i) to_length_one(&out.rows[i * out.dimension], out.dimension);
  const auto first_query = out.rows.end() - static_cast<std::ptrdiff_t>(queries * out.dimension);
  out.queries.assign(first_query, out.rows.end());
  out.rows.erase(first_query, out.rows.end());
  return out;
}

}  // namespace fractal::bench
