// A database that holds the rows of a bench.
#ifndef FRACTAL_BENCH_VECTOR_STORE_H
#define FRACTAL_BENCH_VECTOR_STORE_H

#include "bench/graph_walk/vectors.h"

#include <fractal/fractal_memory.h>

#include <cstddef>
#include <functional>
#include <string>

namespace fractal::bench {

// Without embedder and audit; the payload field `u` is indexed.
FractalMemory open_vector_store(const std::string& path, const IndexOptions& index);
// Rows begin to end, row i at the coordinate {i}, in batches of 2,000.
void store_rows(const FractalMemory& memory, const Vectors& vectors, std::size_t begin, std::size_t end,
                const std::function<std::string(std::size_t row)>& payload);

}  // namespace fractal::bench

#endif
