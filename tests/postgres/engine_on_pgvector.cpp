// PostgreSQL as storage, pgvector as its index, both on one server.
#include "tests/engine/engine.h"

#include "tests/postgres/fresh_schema.h"

#include <fractal/pgvector.h>
#include <fractal/postgres.h>

namespace fractal {

Options fresh_options() {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  Options options{.embedder = nullptr};
  options.storage = open_postgres_storage({.url = url, .durability = Durability::off}).value();
  options.vector_index = open_pgvector_index({.url = url}, options.storage).value();
  return options;
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return false; }

}  // namespace fractal
