// A file as storage, Redis as its index: every write is delivered before it returns, so that searches do go there.
#include "tests/engine/engine.h"

#include "tests/redis/index_server.h"

#include <fractal/redis.h>

namespace fractal {

Options fresh_options() {
  return {
      .path = engine::fresh_path("redis"),
      .durability = Durability::off,
      .embedder = nullptr,
      .vector_index = testing::search_server() + "?prefix=fractal:" + testing::fresh_remote_identity() + "&wait=yes"};
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return true; }

}  // namespace fractal
