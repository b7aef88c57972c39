// The Storage suite on PostgreSQL.
#include "tests/conformance/storage_model.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

namespace fractal {

std::shared_ptr<Storage> make_empty_storage() {
  PostgresOptions options;
  options.url = testing::fresh_postgres_url();
  options.durability = Durability::off;  // no power cut here
  return open_postgres_storage(options).value();
}

}  // namespace fractal
