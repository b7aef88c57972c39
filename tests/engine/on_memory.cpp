#include "engine.h"

namespace fractal {

Options fresh_options() { return {.path = ":memory:", .embedder = nullptr}; }
bool durable_storage() { return false; }

}  // namespace fractal
