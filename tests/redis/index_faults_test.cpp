// The network breaks, the server is killed: no answer is wrong or short, nothing is lost, and when all is well again the
// index has just what the rows have. FRACTAL_FAULT_SECONDS of a network that fails: 8.
#include "tests/conformance/index_pair.h"
#include "tests/postgres/fault_proxy.h"
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace fractal;
using namespace std::chrono_literals;
using testing::OwnRedis;

namespace {

using Pair = testing::IndexPair<RedisIndex>;

Pair::Opened on(RedisIndexOptions options) {
  return [options = std::move(options)](const auto& storage) { return open_redis_index(options, storage).value(); };
}

OwnRedis search_redis(std::vector<std::string> words = {}) {
  return OwnRedis(std::move(words), 0, FRACTAL_TOOLS "/redis_search_server");
}

}  // namespace

TEST_CASE("a network that fails: answers stay right, and afterwards nothing differs") {
  const OwnRedis redis = search_redis();
  testing::FaultProxy proxy(redis.socket());
  for (const bool wait : {false, true}) {
    const std::uint64_t seed = testing::announced_seed("network");
    testing::Random random(seed);
    const Pair pair(on({.url = "redis+unix://" + proxy.folder() + "/socket",
                        .wait = wait,
                        .connect_timeout = 500ms,
                        .call_timeout = 400ms,
                        .grace = 4s}));
    for (int i = 0; i < 100; ++i) pair.change(random);
    proxy.break_one_in(25, testing::every_network_fault, seed);
    std::size_t writes = 0, searches = 0;
    for (const auto end = std::chrono::steady_clock::now() + testing::duration();
         std::chrono::steady_clock::now() < end; ++searches) {
      for (std::size_t i = random.below(6); i > 0; --i, ++writes) pair.change(random);
      pair.compare(random);
    }
    proxy.calm();
    pair.settle();
    MESSAGE(fmt::format("{} writes, {} searches, {} resets", writes, searches,
                        proxy.met(testing::NetworkFault::reset_after_sending)));
  }
}

TEST_CASE("a server that is killed again and again while it is written to") {
  const std::uint64_t seed = testing::announced_seed("kills");
  testing::Random random(seed);
  // All is lost; what was written last is lost; nothing is.
  const std::vector<std::vector<std::string>> kinds{
      {}, {"--save", "1 1"}, {"--appendonly", "yes", "--appendfsync", "always"}};
  for (const auto& words : kinds) {
    OwnRedis redis = search_redis(words);
    const Pair pair(on({.url = redis.url(), .connect_timeout = 500ms, .call_timeout = 2s}));
    for (int kill = 0; kill < 3; ++kill) {
      std::atomic<bool> stop{false};
      std::thread killer([&] {
        std::this_thread::sleep_for(500ms + 100ms * kill);
        redis.kill();
        std::this_thread::sleep_for(300ms);
        redis.start();
        stop = true;
      });
      while (!stop) {
        for (int i = 0; i < 5; ++i) pair.change(random);
        pair.compare(random);
      }
      killer.join();
      for (int i = 0; i < 20; ++i) {
        pair.change(random);
        pair.compare(random);
      }
    }
    pair.settle();
    // What was delivered is found by the index itself again.
    const auto found = pair.tried.search(std::vector<float>(testing::dimension, 1.0F)).value();
    CHECK(found.plan.find("rows") == std::string::npos);
  }
}
