#include "engine.h"

namespace fractal {

Options fresh_options() { return {.path = ":memory:", .embedder = nullptr}; }
bool durable_storage() { return false; }
bool storage_is_a_file() { return false; }

}  // namespace fractal
