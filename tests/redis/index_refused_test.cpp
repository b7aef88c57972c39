// What the index on Redis does not open: URLs and options that are none, and servers that cannot do what it needs.
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace fractal;
using fractal::testing::OwnRedis;
using namespace std::chrono_literals;

namespace {

Error refused(const RedisIndexOptions& options, const std::shared_ptr<Storage>& storage = make_memory_storage()) {
  const auto opened = open_redis_index(options, storage);
  REQUIRE_FALSE(opened.has_value());
  return opened.error();
}

bool mentions(const Error& error, std::string_view words) { return error.message.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("what cannot be an index is refused, and no message has the secret") {
  CHECK(refused({.url = "redis://there"}, nullptr).code == Errc::invalid_argument);
  for (const char* url : {"", "http://there", "redis://", "redis://:secret@", "redis://:secret@there?wait=perhaps",
                          "redis://:secret@there?x=1", "redis://:secret%@there", "redis://:secret@there?prefix=a{b}"}) {
    CAPTURE(url);
    const Error error = refused({.url = url});
    CHECK(error.code == Errc::invalid_argument);
    CHECK_FALSE(mentions(error, "secret"));
  }
  CHECK(refused({.url = "redis://there", .prefix = "{a}"}).code == Errc::invalid_argument);
  CHECK(refused({.url = "redis://there", .most_connections = 0}).code == Errc::invalid_argument);
  CHECK(refused({.url = "redis://there", .call_timeout = 0ms}).code == Errc::invalid_argument);
  CHECK(refused({.url = "redis://there", .grace = 1ms}).code == Errc::invalid_argument);
  CHECK(refused({.url = "rediss://:secret@there"}).code == Errc::unsupported);
  CHECK(mentions(refused({.url = "redis://there/1"}), "database 0"));
  CHECK(open_redis_cache({.url = "redis://there?wait=yes"}).error().code == Errc::invalid_argument);
}

TEST_CASE("a Redis without vector search is unsupported, and the message names the module") {
  const OwnRedis redis;
  const Error error = refused({.url = redis.url()});
  CHECK(error.code == Errc::unsupported);
  CHECK(mentions(error, "RediSearch"));
  CHECK(mentions(error, "redis " + redis.socket()));
  const auto opened =
      FractalMemory::open({.embedder = nullptr, .storage = make_memory_storage(), .vector_index = redis.url()});
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Errc::unsupported);
}

TEST_CASE("one that comes later, without vector search, is a problem and no wrong answer") {
  OwnRedis redis;
  redis.kill();
  const auto storage = make_memory_storage();
  Options options{.embedder = nullptr, .storage = storage};
  options.vector_index = open_redis_index({.url = redis.url(), .wait = true}, storage).value();
  const auto memory = FractalMemory::open(options).value();
  const std::vector<float> vector{1, 2};
  const auto check = [&](double n) {
    memory.store({.coordinate = {n}, .payload = "{}", .embedding = vector}).value();
    CHECK(memory.search(vector, {.top_k = 9}).value().matched == static_cast<std::uint64_t>(n));
  };
  check(1);
  redis.start();
  std::string problems;
  double stored = 1;
  for (int i = 0; i < 200 && problems.find("RediSearch") == std::string::npos; ++i) {
    check(++stored);
    problems.clear();
    for (const std::string& one : memory.health().value().problems) problems += one + "\n";
  }
  CHECK(problems.find("RediSearch") != std::string::npos);
}

TEST_CASE("a cluster's node is unsupported") {
  const OwnRedis redis({"--cluster-enabled", "yes"}, testing::free_port());
  const Error error = refused({.url = redis.url()});
  CHECK(error.code == Errc::unsupported);
}

TEST_CASE("who lets nobody in is unavailable, and the password is not told") {
  const OwnRedis redis({"--requirepass", "q7-secret"});
  const Error error = refused({.url = "redis+unix://:q8-secret@" + redis.socket()});
  CHECK(error.code == Errc::unavailable);
  CHECK_FALSE(mentions(error, "-secret"));
}
