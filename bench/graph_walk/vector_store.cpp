// Invariant: a row's number is its coordinate.
#include "bench/graph_walk/vector_store.h"

#include <algorithm>

namespace fractal::bench {

FractalMemory open_vector_store(const std::string& path, const IndexOptions& index) {
  Options options{.path = path, .durability = Durability::normal, .indexed_fields = {"u"}};
  options.embedder = nullptr;
  options.audit.writes = false;
  options.index = index;
  return FractalMemory::open(options).value();
}

void store_rows(const FractalMemory& memory, const Vectors& vectors, std::size_t begin, std::size_t end,
                const std::function<std::string(std::size_t row)>& payload) {
  constexpr std::size_t rows_of_batch = 2000;
  for (; begin < end; begin += rows_of_batch) {
    Batch batch;
    for (std::size_t i = begin; i < std::min(end, begin + rows_of_batch); ++i) {
      batch.store({.coordinate = {static_cast<double>(i)},
                   .payload = payload(i),
                   .embedding = {vectors.row(i), vectors.row(i) + vectors.dimension}});
    }
    memory.apply(batch).value();
  }
}

}  // namespace fractal::bench
