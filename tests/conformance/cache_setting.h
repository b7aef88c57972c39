// What the suite of caches asks of each.
#ifndef FRACTAL_TESTS_CONFORMANCE_CACHE_SETTING_H
#define FRACTAL_TESTS_CONFORMANCE_CACHE_SETTING_H

#include <fractal/cache.h>

#include <memory>

namespace fractal::testing {

// With room for some MiB.
std::shared_ptr<Cache> make_empty_cache();

}  // namespace fractal::testing

#endif
