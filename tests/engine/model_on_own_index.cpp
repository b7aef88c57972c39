#include "tests/engine/model_world.h"

namespace fractal::model {

std::string fresh_vector_index(const std::string&) { return {}; }

}  // namespace fractal::model
