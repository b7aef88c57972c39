#include "tests/engine/model_world.h"
#include "tests/milvus/server.h"

namespace fractal::model {

std::string fresh_vector_index(const std::string&) { return testing::fresh_milvus_url(std::chrono::seconds(2)); }

}  // namespace fractal::model
