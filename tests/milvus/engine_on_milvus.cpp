// A file as storage, Milvus as its index: every write is delivered before it returns, so that searches do go there.
#include "tests/engine/engine.h"

#include "tests/milvus/server.h"

namespace fractal {

Options fresh_options() {
  return {.path = engine::fresh_path("milvus"),
          .durability = Durability::off,
          .embedder = nullptr,
          .vector_index = testing::fresh_milvus_url(std::chrono::seconds(20))};
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return true; }

}  // namespace fractal
