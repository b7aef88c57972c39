#include "tests/engine/model_world.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

namespace fractal::model {

std::string fresh_place(const testing::TemporaryFolder&) { return testing::fresh_postgres_url(); }

}  // namespace fractal::model
