// The index on Redis under the suite of every VectorIndex, each with keys of its own.
#include "tests/redis/index_server.h"

#include <memory>

std::shared_ptr<fractal::VectorIndex> make_empty_index() {
  using namespace fractal::testing;
  static std::string last;
  if (!last.empty()) lose_all(last);
  last = fresh_remote_identity();
  return redis_index({.wait = true}, last, no_source());
}
