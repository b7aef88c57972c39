#include "tests/engine/model_world.h"

namespace fractal::model {

std::string fresh_place(const testing::TemporaryFolder& folder) { return folder.file("model.db"); }

}  // namespace fractal::model
