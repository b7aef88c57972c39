// The vectors lie in the storage's own database; a copy in a file has them in a schema of its own.
#include "tests/engine/model_world.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/pgvector.h>

namespace fractal::model {

std::string fresh_vector_index(const std::string& place) {
  const std::string url = place.starts_with("postgres://") ? place : testing::fresh_postgres_url();
  return "pgvector" + url.substr(url.find(':'));
}

}  // namespace fractal::model
