// Vectors as embeddings are: around topics, which differ in size, and no two alike.
#ifndef FRACTAL_TESTS_CLUSTERED_VECTORS_H
#define FRACTAL_TESTS_CLUSTERED_VECTORS_H

#include <cmath>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

namespace fractal::testing {

class ClusteredVectors {
 public:
  ClusteredVectors(std::uint64_t seed, std::size_t dimension, std::size_t topics) : random_(seed) {
    for (std::size_t i = 0; i < topics; ++i) centres_.push_back(direction(dimension));
  }

  // A vector and its topic: low numbers are the large topics.
  std::pair<std::vector<float>, std::size_t> next() {
    const double u = std::uniform_real_distribution<double>()(random_);
    const auto topic = static_cast<std::size_t>(u * u * static_cast<double>(centres_.size()));
    std::vector<float> vector = direction(centres_[topic].size());
    for (std::size_t j = 0; j < vector.size(); ++j) vector[j] = centres_[topic][j] + 0.8F * vector[j];
    return {std::move(vector), topic};
  }
  std::mt19937_64& random() { return random_; }

 private:
  std::vector<float> direction(std::size_t dimension) {
    std::normal_distribution<float> normal;
    std::vector<float> vector(dimension);
    float square = 0;
    for (float& x : vector) {
      x = normal(random_);
      square += x * x;
    }
    for (float& x : vector) x /= std::sqrt(square);
    return vector;
  }

  std::mt19937_64 random_;
  std::vector<std::vector<float>> centres_;
};

}  // namespace fractal::testing

#endif
