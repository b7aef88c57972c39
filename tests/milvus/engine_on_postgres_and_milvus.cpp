// PostgreSQL as storage, Milvus as its index: two servers, each of which knows nothing of the other.
#include "tests/engine/engine.h"

#include "tests/milvus/server.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

namespace fractal {

Options fresh_options() {
  return {.path = testing::fresh_postgres_url(),
          .durability = Durability::off,
          .embedder = nullptr,
          .vector_index = testing::fresh_milvus_url(std::chrono::seconds(20))};
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return false; }

}  // namespace fractal
