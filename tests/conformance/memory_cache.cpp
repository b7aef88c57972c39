// The suite on the cache of one process.
#include "tests/conformance/cache_setting.h"

namespace fractal::testing {

std::shared_ptr<Cache> make_empty_cache() { return make_memory_cache(); }

}  // namespace fractal::testing
