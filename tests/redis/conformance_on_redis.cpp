// The suite on a Redis, each cache with a prefix of its own. FRACTAL_TEST_REDIS is its URL.
#include "tests/conformance/cache_setting.h"

#include <fractal/redis.h>

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

namespace fractal::testing {

std::shared_ptr<Cache> make_empty_cache() {
  static std::atomic<int> number{0};
  const char* const url = std::getenv("FRACTAL_TEST_REDIS");
  if (url == nullptr) throw std::runtime_error("FRACTAL_TEST_REDIS names no server: ./dev services up");
  // On a busy machine an answer may take longer than the 250 ms that there are by default.
  constexpr std::chrono::seconds patience{10};
  return open_redis_cache({.url = url,
                           .prefix = fmt::format("suite-{}-{}", ::getpid(), ++number),
                           .connect_timeout = patience,
                           .call_timeout = patience})
      .value();
}

}  // namespace fractal::testing
