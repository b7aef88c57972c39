// A file as storage, Milvus as its index: every write is delivered before it returns, so that searches do go there.
#include "tests/engine/engine.h"

#include "tests/milvus/server.h"

#include <fractal/milvus.h>

namespace fractal {

Options fresh_options() {
  Options options{.path = engine::fresh_path("milvus"), .durability = Durability::off, .embedder = nullptr};
  options.storage = open_sqlite_storage(options).value();
  const std::string identity = testing::fresh_milvus_identity();
  RemoteSource source;
  source.newest = [storage = options.storage](const SpaceRecord& of) -> Result<SpaceRecord> {
    return storage->read(of.space).value()->space();
  };
  source.read = testing::no_source().read;
  options.vector_index = testing::milvus_index({.wait = true}, identity, std::move(source));
  return options;
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return true; }

}  // namespace fractal
