// What every cache promises. Link it with a file that defines what cache_setting.h declares.
#include "tests/conformance/cache_setting.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using Keep = Cache::Keep;
using namespace std::chrono_literals;
using fractal::testing::make_empty_cache;

namespace {

std::string at(Cache& cache, std::string_view key) { return cache.get(key).value().value_or("nothing"); }

// What a server may take for something else, and what its protocol is made of.
const std::vector<std::string> odd_texts{"",
                                         "a",
                                         std::string("\0", 1),
                                         std::string("a\0b", 3),
                                         "a\r\nDEL b\r\n",
                                         "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
                                         "$-1\r\n",
                                         "-ERR no\r\n",
                                         "'; redis.call('FLUSHALL') --",
                                         "\"]] return 1 --[[",
                                         "{a}b",
                                         "}{",
                                         "*",
                                         "k00000000000000",
                                         "u",
                                         "%s%n%00",
                                         "a b\tc",
                                         "Zürich 東京 \xF0\x9F\x90\xA2",
                                         "\xFF\xFE\x80",
                                         std::string(5'000, 'x')};

}  // namespace

TEST_CASE("a value is there until its time is up, it is replaced or erased") {
  const auto cache = make_empty_cache();
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
    std::this_thread::sleep_for(60ms);
    CHECK(at(*cache, "short") == "nothing");
    CHECK_FALSE(cache->erase("short").value());
    cache->put("over", "x", 1h, keep).value();
    cache->put("over", "y", 0ms, keep).value();
    CHECK(at(*cache, "over") == "nothing");
  }
  cache->put("long", "x", std::chrono::hours(24 * 36'500), Keep::while_room).value();
  CHECK(at(*cache, "long") == "x");
}

TEST_CASE("what replaces a value has a time of its own") {
  const auto cache = make_empty_cache();
  for (const Keep first : {Keep::while_room, Keep::until_over}) {
    for (const Keep second : {Keep::while_room, Keep::until_over}) {
      cache->put("grows", "1", 30ms, first).value();
      cache->put("grows", "2", 1h, second).value();
      cache->put("shrinks", "1", 1h, first).value();
      cache->put("shrinks", "2", 30ms, second).value();
      std::this_thread::sleep_for(60ms);
      cache->put("other", "x", 1h, Keep::until_over).value();  // which may make room
      CHECK(at(*cache, "grows") == "2");
      CHECK(at(*cache, "shrinks") == "nothing");
    }
  }
}

TEST_CASE("keys and values are any bytes, and buckets are no values") {
  const auto cache = make_empty_cache();
  for (const Keep keep : {Keep::while_room, Keep::until_over}) {
    for (std::size_t i = 0; i < odd_texts.size(); ++i) {
      cache->put(odd_texts[i], odd_texts[odd_texts.size() - 1 - i], 1h, keep).value();
    }
    for (const std::string& key : odd_texts)
      CHECK(cache->take(key, {.per_second = 1e-6, .burst = 1}).value().granted == (keep == Keep::while_room));
    for (std::size_t i = 0; i < odd_texts.size(); ++i) {
      CHECK(cache->get(odd_texts[i]).value() == odd_texts[odd_texts.size() - 1 - i]);
    }
    for (const std::string& key : odd_texts) CHECK(cache->erase(key).value());
    for (const std::string& key : odd_texts) CHECK(cache->get(key).value() == std::nullopt);
  }
}

TEST_CASE("a bucket gives its burst at once, and then what flows in") {
  const auto cache = make_empty_cache();
  const Cache::Bucket bucket{.per_second = 20, .burst = 5};
  const auto began = std::chrono::steady_clock::now();
  const auto flowed_in = [&] {
    return bucket.per_second * std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  for (int i = 4; i >= 0; --i) {
    const auto taken = cache->take("a", bucket).value();
    CHECK(taken.granted);
    CHECK(taken.left >= i);
    CHECK(taken.left < i + 1 + flowed_in());
    CHECK(taken.wait == 0ms);
  }
  int granted = 5, refused = 0;
  while (granted < 11 && refused < 20) {
    const auto taken = cache->take("a", bucket).value();
    ++(taken.granted ? granted : refused);
    if (!taken.granted) {
      CHECK(taken.left < 1);
      CHECK(taken.wait > 0ms);
      CHECK(taken.wait <= 50ms);
      std::this_thread::sleep_for(taken.wait);
    }
  }
  CHECK(granted == 11);  // who has waited as long as he was told gets one; by another clock, a moment later
  CHECK(granted <= bucket.burst + 1 + flowed_in());
  CHECK(cache->take("b", bucket).value().granted);
  for (const Cache::Bucket& slow : {Cache::Bucket{.per_second = 1e-9, .burst = 0}, {.per_second = 0, .burst = 1}}) {
    const std::string key = slow.burst == 0 ? "slow" : "still";
    CHECK(cache->take(key, slow).value().granted);
    const auto taken = cache->take(key, slow).value();
    CHECK_FALSE(taken.granted);
    CHECK(taken.wait == 24h);
  }
}

TEST_CASE("a bucket that changes keeps its tokens, and never has more than its burst") {
  const auto cache = make_empty_cache();
  CHECK(cache->take("a", {.per_second = 0.001, .burst = 3}).value().left == doctest::Approx(2).epsilon(0.01));
  CHECK(cache->take("a", {.per_second = 0.001, .burst = 100}).value().left == doctest::Approx(1).epsilon(0.01));
  CHECK(cache->take("c", {.per_second = 10, .burst = 1'000}).value().granted);
  for (int i = 0; i < 30; ++i) {
    const double left = cache->take("c", {.per_second = 10, .burst = 20}).value().left;
    CHECK(left <= 20 - 1);
    CHECK(left >= 0);
  }
  CHECK(cache->take("b", {.per_second = 1'000, .burst = 4}).value().granted);
  std::this_thread::sleep_for(50ms);
  CHECK(cache->take("b", {.per_second = 1'000, .burst = 4}).value().left == doctest::Approx(3).epsilon(0.01));
}

TEST_CASE("threads") {
  const auto cache = make_empty_cache();
  const Cache::Bucket bucket{.per_second = 1e-6, .burst = 1000};
  std::atomic<int> granted{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        const std::string key = std::to_string((i + t) % 300);
        const std::string value = key + std::string(100, 'x');
        (void)cache->put(key, value, 1h, i % 20 == 0 ? Keep::until_over : Keep::while_room);
        const auto found = cache->get(key);
        if (!found || (*found && **found != value)) ++wrong;
        if (i % 7 == 0) (void)cache->erase(key);
        if (cache->take("bucket", bucket).value().granted) ++granted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(granted == 1000);
  CHECK(wrong == 0);
}
