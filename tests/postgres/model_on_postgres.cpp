#include "tests/engine/model_world.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

namespace fractal::model {

std::string fresh_place(const testing::TemporaryFolder&) { return testing::fresh_postgres_url(); }

bool gives_dense_numbers() { return false; }  // a sequence of the server is not undone
bool has_own_backup() { return false; }

}  // namespace fractal::model
