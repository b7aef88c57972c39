// The index with graphs under the suite of every VectorIndex: a graph from 24 vectors on, built behind the
// suite's back while it asks and writes.
#include "backends/hnsw/hnsw_index.h"

#include <fractal/backend.h>

std::shared_ptr<fractal::VectorIndex> make_empty_index() {
  return fractal::hnsw::make_index({.graph_from = 24, .m = 8, .ef_construction = 64}, {});
}
