#include "tests/engine/engine.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

namespace fractal {

Options fresh_options() {
  return {.path = testing::fresh_postgres_url(), .durability = Durability::off, .embedder = nullptr};
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return false; }

}  // namespace fractal
