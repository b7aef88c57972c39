#include "engine.h"

namespace fractal {

// These suites are about what is read back, not about power cuts: without a sync they take a tenth of the time.
Options fresh_options() {
  return {.path = engine::fresh_path("agent.db"), .durability = Durability::off, .embedder = nullptr};
}
bool durable_storage() { return true; }
bool storage_is_a_file() { return true; }

}  // namespace fractal
