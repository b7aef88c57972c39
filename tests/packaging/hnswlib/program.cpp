// hnswlib 0.6 defines functions and variables in its headers: they must not meet ours at link.
#include <fractal/fractal_memory.h>

#include <hnswlib/hnswlib.h>

#include <array>

int main() {
  hnswlib::L2Space space(2);
  hnswlib::HierarchicalNSW<float> graph(&space, 8);
  const std::array<float, 2> point{0.5f, 0.25f};
  graph.addPoint(point.data(), 7);

  auto memory = fractal::FractalMemory::open(":memory:").value();
  memory.store({.coordinate = {1}, .embedding = {0.5f, 0.25f}}).value();
  const auto found = memory.search(point, {.top_k = 1}).value();
  const bool same = found.hits.size() == 1 && graph.searchKnn(point.data(), 1).top().second == 7;
  return same ? 0 : 1;
}
