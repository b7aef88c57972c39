// The best by vector in a view whose first rows have a graph: which plan, and its answer.
#ifndef FRACTAL_BACKENDS_HNSW_GRAPH_SEARCH_H
#define FRACTAL_BACKENDS_HNSW_GRAPH_SEARCH_H

#include "backends/hnsw/generation.h"
#include "backends/hnsw/graph.h"
#include "backends/hnsw/walk_codes.h"
#include "src/flat_space.h"

#include <memory>
#include <vector>

namespace fractal::hnsw {

// What stands beside a view's first rows.
struct FrozenGraph final : FrozenRows {
  explicit FrozenGraph(std::shared_ptr<const Generation> of);

  std::shared_ptr<const Generation> generation;
  WalkCodes codes;

  const Graph& graph() const { return *generation->graph; }
  const Calibration& calibration() const { return generation->calibration; }
  Slot slot(Node node) const { return slot_of(node >> block_bits(), node & ((1u << block_bits()) - 1)); }

 private:
  unsigned block_bits() const { return codes.rows().block_bits; }
};

// Of its rows alone, as of its sequence; the blocks of its chunks are the generation's.
FlatView view_of(const std::shared_ptr<const Generation>& generation);

// Of an older moment than the view's last change only searches without a filter are asked here. The view must have a FrozenGraph, and the query be checked (check_query, check_moment).
Result<VectorHits> search_graph(const Taken& taken, const VectorQuery& query);

// One walk with this ef and rescoring, over the frozen rows alone: for calibration.
Result<VectorHits> walk_once(const FlatView& view, const VectorQuery& query, std::size_t ef);

}  // namespace fractal::hnsw

#endif
