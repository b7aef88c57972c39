// Invariant: min(k, matched) hits, each with the score that every other plan gives it. Only which of the
// nearest are among them may differ from a scan; and when a walk does not find enough, the rows are scanned.
#include "backends/hnsw/graph_search.h"

#include "src/best.h"
#include "src/error.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <span>
#include <utility>

namespace fractal::hnsw {
namespace {

// Candidates of a walk that are compared in float32: int8 codes swap neighbours in rank, not far ones. Bits do,
// so with them the whole pool is compared.
constexpr std::size_t least_rescored = 20;
// What a distance costs in a walk, in rows of a scan (bench/graph_walk_bench, index level).
constexpr double walk_distance_cost(Codes codes) {
  return codes == Codes::float32 ? 8.0 : codes == Codes::bit ? 2.0 : 3.0;
}
// Allowed nodes wanted in the pool of a filtered walk, as a share of the ef of one without filter.
constexpr double filtered_share = 0.6;
constexpr std::size_t most_ef = 2048;

const char* name_of(Codes codes) { return codes == Codes::float32 ? "float32" : codes == Codes::bit ? "bit" : "int8"; }

class GraphSearch {
 public:
  GraphSearch(const Taken& taken, const VectorQuery& query)
      : taken_(taken),
        view_(taken.view),
        frozen_(static_cast<const FrozenGraph&>(*view_.frozen)),
        query_(query),
        codes_(kind(), view_.metric, query.vector) {
    if (!taken.allowed) return;
    const std::span<const Slot> slots(taken.allowed->slots);
    const auto middle = std::lower_bound(slots.begin(), slots.end(), slot_of(blocks(), 0));
    allowed_ = {slots.begin(), middle};
    allowed_behind_ = {middle, slots.end()};
  }

  Result<VectorHits> run() {
    const Calibration::Step* const step = frozen_.calibration().step_for(query_.recall);
    if (step == nullptr || !codes_.usable()) return scan();
    const double wider = std::max(1.0, static_cast<double>(query_.k) / Calibration::k);
    const double ef = std::ceil(step->ef * wider);
    if (taken_.allowed) return walk_allowed(ef, step->visited * wider);
    // The dead take places in the pool.
    const double alive = static_cast<double>(view_.living) / static_cast<double>(view_.rows);
    return walk_all(ef / std::max(alive, 0.1));
  }

  // What a walk finds among the frozen rows, compared in float32.
  Result<std::vector<VectorHits::Entry>> entries_of_walk(std::size_t ef, const std::uint64_t* allowed) {
    std::size_t rescored = std::max(least_rescored, 2 * query_.k);
    if (kind() == Codes::bit) rescored = std::max(rescored, ef);
    const bool some_hidden = view_.living != view_.rows || !query_.excluded.empty() || query_.as_of < view_.changed;
    ef = std::max(ef, rescored);
    WalkQuery walk = codes_.walk();
    walk.ef = ef;
    walk.keep = allowed == nullptr && some_hidden ? ef : rescored;
    walk.allowed = allowed;
    frozen_.graph().walk(frozen_.codes.rows(), walk, walked_);
    visited_ += walked_.visited;
    candidates_.clear();
    for (const Walked::Entry& entry : walked_.entries) {
      if (candidates_.size() == rescored) break;
      const Slot slot = frozen_.slot(entry.node);
      if (allowed == nullptr && some_hidden && is_hidden(slot)) continue;
      candidates_.push_back(slot);
    }
    return best_of(view_, query_, candidates_);
  }

  std::size_t visited() const { return visited_; }

 private:
  Codes kind() const { return frozen_.codes.rows().kind; }
  std::size_t blocks() const { return frozen_.generation->blocks.size(); }
  bool is_hidden(Slot slot) const {
    const VectorChunk& chunk = view_.chunk(slot);
    return !chunk.is_alive(row_of(slot), query_.as_of) ||
           std::binary_search(query_.excluded.begin(), query_.excluded.end(), chunk.ids[row_of(slot)]);
  }

  Result<VectorHits> scan() const {
    return taken_.allowed ? scan_slots(view_, query_, taken_.allowed->slots) : scan_view(view_, query_);
  }

  Result<VectorHits> walk_all(double ef) {
    if (ef > most_ef || view_.rows < 16 * query_.k) return scan();
    FRACTAL_TRY_INTO(const auto entries, entries_of_walk(static_cast<std::size_t>(ef), nullptr));
    if (entries.size() < query_.k) return scan();
    FRACTAL_TRY_INTO(const VectorHits behind, scan_view(view_, query_, blocks()));
    return merge(entries, behind, count_matched(), ef);
  }

  std::size_t count_matched() const {
    if (query_.as_of >= view_.changed) return view_.living - taken_.excluded;
    std::size_t count = 0;
    for (std::size_t c = 0, first = 0; first < view_.rows; first += view_.rows_of(c, first), ++c) {
      const std::size_t rows = view_.rows_of(c, first);
      const VectorChunk& chunk = *(*view_.chunks)[c];
      if (query_.excluded.empty() && chunk.all_alive(query_.as_of)) {
        count += rows;
        continue;
      }
      for (std::size_t row = 0; row < rows; ++row) count += is_hidden(slot_of(c, row)) ? 0 : 1;
    }
    return count;
  }

  // Everything is walked over, the allowed are kept: good as long as enough of them lie where the walk ends.
  // `visited`: distances that a walk without filter takes with this ef.
  Result<VectorHits> walk_allowed(double ef, double visited) {
    if (allowed_.size() < 16 * query_.k || taken_.allowed->bits.empty()) return scan();
    const auto count = static_cast<double>(allowed_.size());
    const double wanted = std::ceil(ef * filtered_share);
    // A little more than it takes if the filter has nothing to do with the question.
    double wider = 1.2 * wanted / ef * static_cast<double>(frozen_.rows) / count;
    double budget = count / walk_distance_cost(kind());
    for (;;) {
      wider = std::max(wider, 1.0);
      budget -= visited * wider;
      if (budget < 0 || ef * wider > most_ef) return scan();
      FRACTAL_TRY_INTO(const auto entries,
                       entries_of_walk(static_cast<std::size_t>(ef * wider), taken_.allowed->bits.data()));
      const auto found = static_cast<double>(walked_.in_pool);
      if (found >= wanted && entries.size() >= query_.k) {
        FRACTAL_TRY_INTO(const VectorHits behind, scan_slots(view_, query_, allowed_behind_));
        return merge(entries, behind, taken_.allowed->slots.size(), ef * wider);
      }
      wider *= std::clamp(1.2 * wanted / std::max(found, 1.0), 1.5, 16.0);
    }
  }

  VectorHits merge(const std::vector<VectorHits::Entry>& entries, const VectorHits& behind, std::size_t matched,
                   double ef) const {
    return {.entries = merge_best(entries, behind.entries, query_.k),
            .matched = matched,
            .visited = visited_ + behind.visited,
            .exact = false,
            .plan = fmt::format("graph ({}, ef {:.0f})", name_of(kind()), ef)};
  }

  const Taken& taken_;
  const FlatView& view_;
  const FrozenGraph& frozen_;
  const VectorQuery& query_;
  const QueryCodes codes_;
  std::span<const Slot> allowed_, allowed_behind_;  // in the graph, and behind it
  std::vector<Slot> candidates_;
  std::size_t visited_ = 0;
  Walked& walked_ = walked_of_thread();

  static Walked& walked_of_thread() {
    thread_local Walked walked;
    return walked;
  }
};

}  // namespace

FrozenGraph::FrozenGraph(std::shared_ptr<const Generation> of)
    : generation(std::move(of)), codes(*generation, generation->codes) {
  rows = generation->rows;
  bytes = generation->own_bytes + codes.bytes();
}

FlatView view_of(const std::shared_ptr<const Generation>& generation) {
  FlatView view;
  view.frozen = std::make_shared<FrozenGraph>(generation);
  view.chunks = std::make_shared<const Chunks>(generation->blocks);
  view.rows = view.living = generation->rows;
  view.dimension = generation->dimension;
  view.metric = generation->metric;
  return view;
}

Result<VectorHits> search_graph(const Taken& taken, const VectorQuery& query) {
  return GraphSearch(taken, query).run();
}

Result<VectorHits> walk_once(const FlatView& view, const VectorQuery& query, std::size_t ef) {
  const Taken taken{.view = view};
  GraphSearch search(taken, query);
  FRACTAL_TRY_INTO(auto entries, search.entries_of_walk(ef, nullptr));
  const std::size_t matched = entries.size();
  return VectorHits{.entries = std::move(entries), .matched = matched, .visited = search.visited(), .exact = false};
}

}  // namespace fractal::hnsw
