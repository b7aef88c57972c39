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
constexpr std::size_t rows_per_fetch = 1'000;

// Compares vectors one after the other, and keeps the best.
class Comparison {
 public:
  Comparison(const SpaceRecord& space, const VectorQuery& query)
      : space_(space), query_(query), scorer_(space.metric, query.vector), best_(query.k) {}

  Result<void> see(MemoryId id, std::span<const float> vector) {
    if (query_.control != nullptr && ++seen_ % rows_per_check == 0) {
      FRACTAL_TRY(check_control(*query_.control, "search"));
    }
    if (vector.empty()) return {};
    if (vector.size() != space_.dimension) {
      return make_error(Errc::corruption, "memory {} has {} components, its space {}", id, vector.size(),
                        space_.dimension);
    }
    const bool allowed = !query_.allowed || std::binary_search(query_.allowed->begin(), query_.allowed->end(), id);
    if (!allowed || std::binary_search(query_.excluded.begin(), query_.excluded.end(), id)) return {};
    ++hits_.matched;
    if (query_.k == 0) return {};
    ++hits_.visited;
    best_.offer(id, scorer_(vector));
    return {};
  }

  VectorHits take() {
    hits_.entries = best_.take();
    return std::move(hits_);
  }

 private:
  const SpaceRecord& space_;
  const VectorQuery& query_;
  const VectorScorer scorer_;
  Best best_;
  VectorHits hits_{.plan = "rows"};
  std::uint64_t seen_ = 0;
};

}  // namespace

Result<VectorHits> scan_rows(const SpaceRecord& space, const VectorIndex::Pull& pull, const VectorQuery& query,
                             std::uint64_t after, std::vector<MemoryId>& changed, std::uint64_t most) {
  FRACTAL_TRY(check_query(space.dimension, space.metric, query));
  Comparison scan(space, query);
  Result<void> ok;
  FRACTAL_TRY(pull(after, [&](const VectorChange& change) {
    if (changed.size() == most) {
      ok = make_error(Errc::unavailable,
                      "search: the vector index cannot answer, and more than {} vectors would have to be compared",
                      most);
      return false;
    }
    changed.push_back(change.id);
    ok = scan.see(change.id, change.vector);
    return ok.has_value();
  }));
  FRACTAL_TRY(std::move(ok));
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return scan.take();
}

Result<VectorHits> scan_allowed(ReadView& view, const VectorQuery& query) {
  const SpaceRecord& space = view.space();
  FRACTAL_TRY(check_query(space.dimension, space.metric, query));
  Comparison scan(space, query);
  const std::span<const MemoryId> ids(*query.allowed);
  for (std::size_t begin = 0; begin < ids.size(); begin += rows_per_fetch) {
    const std::size_t size = std::min(rows_per_fetch, ids.size() - begin);
    FRACTAL_TRY_INTO(const auto rows, view.fetch(ids.subspan(begin, size), Columns::all));
    for (const Row& row : rows) FRACTAL_TRY(scan.see(row.id, row.memory.embedding));
  }
  return scan.take();
}

VectorHits merge_hits(const VectorHits& left, const VectorHits& right, std::size_t k) {
  return {.entries = merge_best(left.entries, right.entries, k),
          .matched = left.matched + right.matched,
          .visited = left.visited + right.visited,
          .exact = left.exact && right.exact,
          .plan = left.plan + " + " + right.plan};
}

}  // namespace fractal
