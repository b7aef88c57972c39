// The index on Milvus under the suite of every VectorIndex, each with collections of its own.
#include "tests/milvus/server.h"

#include <memory>

std::shared_ptr<fractal::VectorIndex> make_empty_index() {
  return fractal::testing::fresh_milvus_index({.wait = true});
}
