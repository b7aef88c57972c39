// Invariant: the order depends on scores and ids alone, so that the same question to the same state gives the
// same answer on every backend.
#include "src/ranking.h"

#include <algorithm>
#include <limits>

namespace fractal {

bool ranks_before(const Candidate& left, const Candidate& right) noexcept {
  return left.score != right.score ? left.score > right.score : left.id < right.id;
}

void keep_best(std::vector<Candidate>& candidates, std::size_t n) {
  n = std::min(n, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(n), candidates.end(),
                    ranks_before);
  candidates.resize(n);
}

double unit_vector_score(Metric metric, double score) noexcept {
  if (metric == Metric::cosine) score = (1 + score) / 2;
  return std::clamp(score, 0.0, 1.0);
}

double unit_keyword_score(double score, double bound) noexcept { return bound > 0 ? score / bound : 0; }

double unit_coverage_score(double coverage) noexcept { return coverage * coverage; }

double reciprocal_rank(std::uint64_t rank) noexcept { return rank == 0 ? 0 : 1.0 / (60.0 + static_cast<double>(rank)); }

double unit_rank_score(double score) noexcept { return score / (2 * reciprocal_rank(1)); }

void diversify(std::vector<Candidate>& candidates, double diversity,
               const std::function<double(std::size_t)>& relevance,
               const std::function<double(std::size_t, std::size_t)>& likeness) {
  const std::size_t n = candidates.size();
  std::vector<double> most_alike(n, 0);
  std::vector<bool> taken(n, false);
  std::vector<Candidate> ordered;
  ordered.reserve(n);
  while (ordered.size() < n) {
    std::size_t best = n;
    double best_value = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n; ++i) {
      if (taken[i]) continue;
      const double value = (1 - diversity) * relevance(i) - diversity * most_alike[i];
      if (value > best_value) {
        best = i;
        best_value = value;
      }
    }
    taken[best] = true;
    ordered.push_back(candidates[best]);
    for (std::size_t i = 0; i < n; ++i) {
      if (!taken[i]) most_alike[i] = std::max(most_alike[i], likeness(i, best));
    }
  }
  candidates = std::move(ordered);
}

}  // namespace fractal
