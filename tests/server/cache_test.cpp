// The cache of one process: what stays, what goes, and how fast a bucket fills.
#include <fractal/cache.h>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using Keep = Cache::Keep;
using namespace std::chrono_literals;

namespace {

std::string at(Cache& cache, std::string_view key) { return cache.get(key).value().value_or("nothing"); }

}  // namespace

TEST_CASE("a value is there until its time is up, it is replaced or erased") {
  const auto cache = make_memory_cache();
  CHECK(at(*cache, "a") == "nothing");
  cache->put("a", "1", 1h, Keep::while_room).value();
  cache->put("b", std::string("2\0", 2), 1h, Keep::until_over).value();
  CHECK(at(*cache, "a") == "1");
  CHECK(at(*cache, "b") == std::string("2\0", 2));
  cache->put("a", "3", 1h, Keep::until_over).value();
  CHECK(at(*cache, "a") == "3");
  CHECK(cache->erase("a").value());
  CHECK_FALSE(cache->erase("a").value());
  CHECK(at(*cache, "a") == "nothing");
  for (const Keep keep : {Keep::while_room, Keep::until_over}) {
    cache->put("short", "x", 20ms, keep).value();
    std::this_thread::sleep_for(40ms);
    CHECK(at(*cache, "short") == "nothing");
    CHECK_FALSE(cache->erase("short").value());
  }
}

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

TEST_CASE("a bucket gives its burst at once, and then what flows in") {
  const auto cache = make_memory_cache();
  const Cache::Bucket bucket{.per_second = 20, .burst = 5};
  for (int i = 4; i >= 0; --i) {
    const auto taken = cache->take("a", bucket).value();
    CHECK(taken.granted);
    CHECK(taken.left >= i);
    CHECK(taken.left < i + 1);
  }
  const auto began = std::chrono::steady_clock::now();
  int granted = 0;
  while (granted < 6) {
    const auto taken = cache->take("a", bucket).value();
    granted += taken.granted ? 1 : 0;
    if (!taken.granted) {
      CHECK(taken.wait > 0ms);
      CHECK(taken.wait <= 50ms);
      std::this_thread::sleep_for(taken.wait);
    }
  }
  CHECK(std::chrono::steady_clock::now() - began > 200ms);  // six tokens at 20 a second, the first of them half there
  CHECK(cache->take("b", bucket).value().granted);
  CHECK(cache->take("slow", {.per_second = 1e-9, .burst = 0}).value().granted);
  CHECK_FALSE(cache->take("slow", {.per_second = 1e-9, .burst = 0}).value().granted);
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

TEST_CASE("threads") {
  const auto cache = make_memory_cache(50'000);
  const Cache::Bucket bucket{.per_second = 1e-6, .burst = 1000};
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        const std::string key = std::to_string((i + t) % 300);
        (void)cache->put(key, std::string(100, 'x'), 1h, i % 20 == 0 ? Keep::until_over : Keep::while_room);
        (void)cache->get(key);
        if (i % 7 == 0) (void)cache->erase(key);
        if (cache->take("bucket", bucket).value().granted) ++granted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(granted == 1000);
}
