// What the index on Redis does not open: URLs and options that are none, and servers that cannot do what it needs.
#include "backends/redis/redis_index.h"
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
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
  for (const char* url :
       {"", "http://there", "redis://", "redis://:secret@", "redis://:secret@there?wait=perhaps",
        "redis://:secret@there?x=1", "redis://:secret%@there", "redis://:secret@there?prefix=a{b}",
        "redis://:a/secret@there", "redis://:secret@there?most_scanned=0", "redis://:secret@there?queue_bytes=1k",
        "redis://:secret@there?queue_bytes=", "redis://:secret@there?grace=-1", "redis://:secret@there?grace=99"}) {
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
  for (const char* setting : {"wait=yes", "grace=500", "queue_bytes=1", "most_scanned=1"}) {
    CHECK(open_redis_cache({.url = fmt::format("redis://there?{}", setting)}).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("what a URL says goes before the options") {
  const auto read = [](const char* url) {
    return redis_backend::read_index_url({.url = url, .most_scanned = 9}).value();
  };
  const auto [options, address] =
      read("redis://there?wait=yes&grace=100&queue_bytes=5000000000&most_scanned=7&call_timeout=30");
  CHECK(address.endpoint.host == "there");
  CHECK(options.wait);
  CHECK(options.grace == 100ms);
  CHECK(options.queue_bytes == 5'000'000'000);
  CHECK(options.most_scanned == 7);
  CHECK(options.call_timeout == std::chrono::milliseconds(30));
  CHECK(read("redis://there").first.most_scanned == 9);
}

TEST_CASE("who gives up is let go, and the server is not blamed for it") {
  const OwnRedis redis;
  redis_backend::Pool pool(redis_backend::address_of(redis.url()).value(),
                           {.most_connections = 1, .connect_timeout = 10s, .call_timeout = 10s});
  const redis_backend::Command ping{{"PING"}};
  const auto ask = [&](const Control* control, const std::atomic<bool>* stopping = nullptr) {
    return pool.ask({&ping, 1}, redis_backend::Pool::Repeat::again, control, stopping);
  };
  REQUIRE(ask(nullptr).has_value());
  const auto gives_up = [&](const auto& call, std::string_view why) {
    REQUIRE(ask(nullptr).has_value());  // there is a connection to wait for
    redis.freeze(true);
    const auto begin = std::chrono::steady_clock::now();
    const auto reply = call();
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
    redis.freeze(false);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().code == Errc::unavailable);
    CHECK(mentions(reply.error(), why));
    CHECK(pool.problem() == "");
    CHECK(ask(nullptr).has_value());
  };
  std::atomic<bool> flag{false};
  const auto with_flag = [&](const auto& call) {
    flag = false;
    std::thread setter([&] {
      std::this_thread::sleep_for(100ms);
      flag = true;
    });
    auto reply = call();
    setter.join();
    return reply;
  };
  const auto soon = [] { return Control{.deadline = std::chrono::steady_clock::now() + 100ms}; };
  const auto until_deadline = [&] {
    const Control control = soon();
    return ask(&control);
  };
  gives_up(until_deadline, "deadline");
  gives_up(
      [&] {
        const Control control{.cancel = &flag};
        return with_flag([&] { return ask(&control); });
      },
      "cancelled");
  gives_up([&] { return with_flag([&] { return ask(nullptr, &flag); }); }, "being closed");
  // While another has the only connection.
  gives_up(
      [&] {
        std::atomic<bool> enough{false};
        std::thread other([&] { CHECK_FALSE(ask(nullptr, &enough).has_value()); });
        std::this_thread::sleep_for(50ms);
        auto reply = until_deadline();
        enough = true;
        other.join();
        return reply;
      },
      "deadline");
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
  // Nobody asks for up to two seconds after a call that failed.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (problems.find("RediSearch") == std::string::npos && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    check(++stored);
    problems.clear();
    for (const std::string& one : memory.health().value().problems) problems += one + "\n";
  }
  CHECK(problems.find("RediSearch") != std::string::npos);
}

TEST_CASE("a cluster's node is unsupported") {
  // By itself it would take the port 10,000 above, which there may not be.
  const std::string bus = std::to_string(testing::free_port());
  const OwnRedis redis({"--cluster-enabled", "yes", "--cluster-port", bus}, testing::free_port());
  const Error error = refused({.url = redis.url()});
  CHECK(error.code == Errc::unsupported);
}

TEST_CASE("who lets nobody in is unavailable, and the password is not told") {
  const OwnRedis redis({"--requirepass", "q7-secret"});
  const Error error = refused({.url = "redis+unix://:q8-secret@" + redis.socket()});
  CHECK(error.code == Errc::unavailable);
  CHECK_FALSE(mentions(error, "-secret"));
}
