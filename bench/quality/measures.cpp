// Invariant: every measure lies in 0..1, and 1 is reached by putting the evidence first (recall@k: if it fits in k).
#include "measures.h"

#include <algorithm>
#include <cmath>

namespace fractal::quality {

Measures measure(const std::vector<Coordinate>& answers, const std::vector<Coordinate>& evidence) {
  Measures result;
  double gain = 0, best = 0;
  for (std::size_t i = 0; i < depth; ++i) {
    const double discounted = 1 / std::log2(static_cast<double>(i) + 2);
    if (i < evidence.size()) best += discounted;
    if (i >= answers.size()) continue;
    if (std::find(evidence.begin(), evidence.end(), answers[i]) == evidence.end()) continue;
    gain += discounted;
    result.recall_1 += i < 1 ? 1 : 0;
    result.recall_5 += i < 5 ? 1 : 0;
    result.recall_10 += 1;
  }
  const auto all = static_cast<double>(evidence.size());
  result.recall_1 /= all;
  result.recall_5 /= all;
  result.recall_10 /= all;
  result.ndcg_10 = gain / best;
  return result;
}

void Means::add(const std::string& family, const Measures& one) {
  for (const std::string& name : {family, std::string("all")}) {
    auto& [questions, sum] = sums_[name];
    ++questions;
    sum.recall_1 += one.recall_1;
    sum.recall_5 += one.recall_5;
    sum.recall_10 += one.recall_10;
    sum.ndcg_10 += one.ndcg_10;
  }
}

std::size_t Means::questions(const std::string& family) const {
  const auto found = sums_.find(family);
  return found == sums_.end() ? 0 : found->second.questions;
}

Measures Means::of(const std::string& family) const {
  const auto found = sums_.find(family);
  if (found == sums_.end()) return {};
  Measures mean = found->second.sum;
  for (double* each : {&mean.recall_1, &mean.recall_5, &mean.recall_10, &mean.ndcg_10}) {
    *each /= static_cast<double>(found->second.questions);
  }
  return mean;
}

}  // namespace fractal::quality
