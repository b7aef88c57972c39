#include "tests/engine/model_world.h"
#include "tests/redis/index_server.h"

namespace fractal::model {

std::string fresh_vector_index(const std::string&) {
  return testing::search_server() + "?prefix=fractal:" + testing::fresh_remote_identity() + "&wait=yes&grace=2000";
}

}  // namespace fractal::model
