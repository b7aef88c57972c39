// Invariant: the same generator and vector make the same question.
#include "noisy.h"

#include <cmath>
#include <cstddef>

namespace fractal {
namespace {

constexpr double noise_length = 1.3;

double length(std::span<const float> vector) {
  double square = 0;
  for (const float x : vector) square += static_cast<double>(x) * x;
  return std::sqrt(square);
}

}  // namespace

std::vector<float> noisy(std::span<const float> vector, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(vector.size());
  for (float& x : out) x = normal(random);
  const double wanted = length(vector), noise = length(out);
  if (!(wanted > 0 && noise > 0)) return {vector.begin(), vector.end()};
  for (std::size_t j = 0; j < out.size(); ++j) {
    out[j] = static_cast<float>(vector[j] + noise_length * wanted / noise * out[j]);
  }
  const double made = length(out);
  if (!(made > 0)) return {vector.begin(), vector.end()};
  for (float& x : out) x = static_cast<float>(x * wanted / made);
  return out;
}

}  // namespace fractal
