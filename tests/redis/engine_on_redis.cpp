// A file as storage, Redis as its index: every write is delivered before it returns, so that searches do go there.
#include "tests/engine/engine.h"

#include "tests/redis/index_server.h"

#include <fractal/redis.h>

namespace fractal {

Options fresh_options() {
  Options options{.path = engine::fresh_path("redis"), .durability = Durability::off, .embedder = nullptr};
  options.storage = open_sqlite_storage(options).value();
  RemoteSource source = testing::no_source();
  source.newest = newest_of(options.storage);
  options.vector_index = testing::redis_index({.wait = true}, testing::fresh_remote_identity(), std::move(source));
  return options;
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return true; }

}  // namespace fractal
