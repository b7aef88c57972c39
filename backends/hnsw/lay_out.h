// The rows of the next generation, from a view of the space.
#ifndef FRACTAL_BACKENDS_HNSW_LAY_OUT_H
#define FRACTAL_BACKENDS_HNSW_LAY_OUT_H

#include "backends/hnsw/generation.h"
#include "backends/hnsw/graph_search.h"
#include "src/flat_view.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace fractal::hnsw {

// All rows that are alive, in memory, without a graph yet. If the view's frozen rows can stay (few of them are
// dead, and it is not to be made `anew`), they come first, in their places and with their dead.
struct LaidOut {
  std::shared_ptr<Generation> generation{};
  const Graph* previous = nullptr;  // over the rows that came first
};
bool can_extend(const FlatView& view, bool anew);  // whether they can stay
Result<LaidOut> lay_out(const FlatView& view, std::uint64_t space, bool anew);

// With the questions given, with rows of the generation, and with rows and noise: the worst of these kinds counts.
// `keep_on` is called between questions; false gives up (`unavailable`).
Result<Calibration> calibrate(const std::shared_ptr<const Generation>& generation,
                              std::span<const std::vector<float>> questions, const std::function<bool()>& keep_on);

}  // namespace fractal::hnsw

#endif
