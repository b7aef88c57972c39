// The one formula of a hit's vector score (see Metric), from the vectors as they were stored. Every plan
// uses it, so a score does not depend on how the hit was found.
#ifndef FRACTAL_SRC_VECTOR_SCORE_H
#define FRACTAL_SRC_VECTOR_SCORE_H

#include "kernels.h"

#include <fractal/fractal_memory.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace fractal {

// A query, ready to be compared with many vectors of its dimension. The span must outlive it.
class VectorScorer {
 public:
  VectorScorer(Metric metric, std::span<const float> query)
      : metric_(metric), query_(query), square_(kernels::dot(query.data(), query.data(), query.size())) {}

  // `square` is the vector's product with itself, by kernels::dot; it matters to the cosine only.
  double operator()(const float* vector, double square) const {
    if (metric_ == Metric::l2) return of_distance(std::sqrt(kernels::squared_l2(query_.data(), vector, query_.size())));
    const double product = kernels::dot(query_.data(), vector, query_.size());
    if (metric_ == Metric::dot) return product;
    // sqrt(x * x) is x again: a vector's cosine with itself is exactly 1.
    return std::clamp(product / std::sqrt(square_ * square), -1.0, 1.0);
  }
  double operator()(std::span<const float> vector) const {
    return (*this)(vector.data(), kernels::dot(vector.data(), vector.data(), vector.size()));
  }

  Metric metric() const noexcept { return metric_; }
  double square() const noexcept { return square_; }
  static double of_distance(double distance) { return 1 / (1 + distance); }

 private:
  Metric metric_;
  std::span<const float> query_;
  double square_;
};

}  // namespace fractal

#endif
