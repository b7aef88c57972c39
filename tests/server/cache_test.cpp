// The cache of one process: what stays and what goes when there is no room. The rest is in conformance/cache_conformance.cpp.
#include <fractal/cache.h>

#include <doctest/doctest.h>

#include <string>
#include <thread>

using namespace fractal;
using Keep = Cache::Keep;
using namespace std::chrono_literals;

namespace {

std::string at(Cache& cache, std::string_view key) { return cache.get(key).value().value_or("nothing"); }

}  // namespace

TEST_CASE("the least recently used go first, what must stay does not") {
  const auto cache = make_memory_cache(20'000);  // 10,000 for what may go
  const std::string value(700, 'x');             // about 900 bytes an entry
  cache->put("stays", value, 1h, Keep::until_over).value();
  for (int i = 0; i < 9; ++i) cache->put(std::to_string(i), value, 1h, Keep::while_room).value();
  CHECK(at(*cache, "0") == value);  // now 1 is the oldest
  for (int i = 9; i < 12; ++i) cache->put(std::to_string(i), value, 1h, Keep::while_room).value();
  CHECK(at(*cache, "0") == value);
  CHECK(at(*cache, "1") == "nothing");
  CHECK(at(*cache, "stays") == value);
  CHECK(at(*cache, "11") == value);
  cache->put("large", std::string(20'000, 'x'), 1h, Keep::while_room).value();
  CHECK(at(*cache, "large") == "nothing");
  CHECK(at(*cache, "stays") == value);
}

TEST_CASE("there is only so much room for what must stay, and it comes back") {
  const auto cache = make_memory_cache(40'000);  // 10,000 for what must stay
  const std::string value(700, 'x');
  int stored = 0;
  while (cache->put(std::to_string(stored), value, 1h, Keep::until_over)) ++stored;
  CHECK(stored >= 9);
  CHECK(stored <= 14);
  const auto refused = cache->put("one more", value, 1h, Keep::until_over);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::unavailable);
  for (int i = 0; i < stored; ++i) CHECK(at(*cache, std::to_string(i)) == value);
  CHECK(cache->erase("0").value());
  CHECK(cache->put("one more", value, 20ms, Keep::until_over));
  std::this_thread::sleep_for(40ms);
  CHECK(cache->put("another", value, 1h, Keep::until_over));  // in the place of one that is over
}

TEST_CASE("buckets without end take no more than the room there is") {
  const auto cache = make_memory_cache(100'000);
  cache->put("stays", "x", 1h, Keep::until_over).value();
  for (int i = 0; i < 20'000; ++i)
    CHECK(cache->take(std::to_string(i), {.per_second = 0.001, .burst = 2}).value().granted);
  CHECK(at(*cache, "stays") == "x");
}

TEST_CASE("a cache by a URL") {
  CHECK(add_cache_scheme("drawer", [](const std::string& url) -> Result<std::shared_ptr<Cache>> {
    if (url != "drawer://top") return Error{Errc::not_found, "no such drawer"};
    return make_memory_cache(10'000);
  }));
  const auto cache = open_cache("drawer://top").value();
  cache->put("key", "value", 1h, Keep::while_room).value();
  CHECK(at(*cache, "key") == "value");
  CHECK(open_cache("drawer://bottom").error().code == Errc::not_found);
  CHECK(open_cache("nowhere://x").error().code == Errc::unsupported);
  CHECK(open_cache("x").error().code == Errc::invalid_argument);
}
