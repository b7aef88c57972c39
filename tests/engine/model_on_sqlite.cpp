#include "tests/engine/model_world.h"

namespace fractal::model {

std::string fresh_place(const testing::TemporaryFolder& folder) { return folder.file("model.db"); }

bool gives_dense_numbers() { return true; }
bool has_own_backup() { return true; }

}  // namespace fractal::model
