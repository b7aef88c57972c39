// Invariant: a score is VectorScorer's, as everywhere.
#include "src/row_scan.h"

#include "src/best.h"
#include "src/error.h"
#include "src/validate.h"
#include "src/vector_query.h"
#include "src/vector_score.h"

#include <algorithm>
#include <utility>

namespace fractal {
namespace {
constexpr std::uint64_t rows_per_check = 256;
}

Result<VectorHits> scan_rows(const SpaceRecord& space, const VectorIndex::Pull& pull, const VectorQuery& query,
                             std::uint64_t after, std::vector<MemoryId>& changed) {
  FRACTAL_TRY(check_query(space.dimension, space.metric, query));
  const VectorScorer scorer(space.metric, query.vector);
  Best best(query.k);
  VectorHits hits{.plan = "rows"};
  Result<void> ok;
  FRACTAL_TRY(pull(after, [&](const VectorChange& change) {
    changed.push_back(change.id);
    if (query.control != nullptr && changed.size() % rows_per_check == 0) ok = check_control(*query.control, "search");
    if (!ok || change.vector.empty()) return ok.has_value();
    if (change.vector.size() != space.dimension) {
      ok = make_error(Errc::corruption, "memory {} has {} components, its space {}", change.id, change.vector.size(),
                      space.dimension);
      return false;
    }
    const bool allowed = !query.allowed || std::binary_search(query.allowed->begin(), query.allowed->end(), change.id);
    if (!allowed || std::binary_search(query.excluded.begin(), query.excluded.end(), change.id)) return true;
    ++hits.matched;
    if (query.k == 0) return true;
    ++hits.visited;
    best.offer(change.id, scorer(change.vector));
    return true;
  }));
  FRACTAL_TRY(std::move(ok));
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  hits.entries = best.take();
  return hits;
}

VectorHits merge_hits(const VectorHits& left, const VectorHits& right, std::size_t k) {
  return {.entries = merge_best(left.entries, right.entries, k),
          .matched = left.matched + right.matched,
          .visited = left.visited + right.visited,
          .exact = left.exact && right.exact,
          .plan = left.plan + " + " + right.plan};
}

}  // namespace fractal
