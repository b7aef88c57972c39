// The network breaks, the server is killed: no answer is wrong or short, nothing is lost, and when all is well again the
// index has just what the rows have. FRACTAL_FAULT_SECONDS of each kind: 8.
#include "tests/conformance/index_faults.h"
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

using namespace fractal;
using namespace std::chrono_literals;
using testing::OwnRedis;

namespace {

using Pair = testing::IndexPair;

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
    const Pair pair(on({.url = "redis+unix://" + proxy.folder() + "/socket",
                        .wait = wait,
                        .connect_timeout = 500ms,
                        .call_timeout = 400ms,
                        .grace = 4s}));
    testing::outlive_network(pair, proxy);
  }
}

TEST_CASE("a server that is killed again and again while it is written to") {
  testing::Random random(testing::announced_seed("kills"));
  // All is lost; what was written last is lost; nothing is.
  const std::vector<std::vector<std::string>> kinds{
      {}, {"--save", "1 1"}, {"--appendonly", "yes", "--appendfsync", "always"}};
  for (const auto& words : kinds) {
    OwnRedis redis = search_redis(words);
    const Pair pair(on({.url = redis.url(), .connect_timeout = 500ms, .call_timeout = 2s}));
    testing::outlive_kills(pair, random, [&] {
      redis.kill();
      std::this_thread::sleep_for(300ms);
      redis.start();
    });
  }
}
