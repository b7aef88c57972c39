// The ways to answer that are compared.
#ifndef FRACTAL_BENCH_QUALITY_ARMS_H
#define FRACTAL_BENCH_QUALITY_ARMS_H

#include "measures.h"
#include "task.h"
#include "vector_file.h"

#include <fractal/embedder.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fractal::quality {

struct Arm {
  std::string name;  // "keyword", "table alpha 0.3"
  Means means{};
};

// FTS5's bm25() and search() in keyword mode.
std::vector<Arm> run_words(const Task& task);
// search() of memories stored by text, embedded by `embedder`: vector, hybrid at each alpha, RRF.
std::vector<Arm> run_embedder(const Task& task, const std::string& name, std::shared_ptr<Embedder> embedder);
// The same with the caller's vectors: that of the text + 0.5 x that of the context, each of length 1.
std::vector<Arm> run_vectors(const Task& task, const std::string& name, const VectorFile& vectors);

}  // namespace fractal::quality

#endif
