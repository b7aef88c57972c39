// A cache on a Redis that is full, frozen, killed, emptied, protected by a password, or a node of a cluster.
#include "tests/answered.h"
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace fractal;
using fractal::testing::free_port;
using fractal::testing::OwnRedis;
using Keep = Cache::Keep;
using namespace std::chrono_literals;

namespace {

// On a busy machine a server that is there may take longer than 250 ms.
std::shared_ptr<Cache> open(const std::string& url) {
  return open_redis_cache({.url = url, .connect_timeout = 10s, .call_timeout = 10s}).value();
}

std::string at(Cache& cache, std::string_view key) { return cache.get(key).value().value_or("nothing"); }

double seconds_of(const auto& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("what is no URL of a Redis") {
  for (const char* url : {"",
                          "redis",
                          "http://h",
                          "redis://",
                          "redis:///1",
                          "redis://h:0",
                          "redis://h:66000",
                          "redis://h:x",
                          "redis://h/x",
                          "redis://user@h",
                          "redis://h?database=1",
                          "redis://h?db=1",
                          "redis://[::1",
                          "redis://[::1]6379",
                          "redis://a%0gb",
                          "redis://h%00",
                          "redis+unix://h/socket",
                          "redis+unix://",
                          "redis+unix:///s?db=x",
                          "redis://h?prefix=a{b}",
                          "redis://h?prefix="}) {
    const auto opened = open_redis_cache({.url = url});
    REQUIRE_MESSAGE(!opened, url);
    CHECK_MESSAGE(opened.error().code == Errc::invalid_argument, url);
  }
  const auto secure = open_redis_cache({.url = "rediss://:q7-secret@h"});
  CHECK(secure.error().code == Errc::unsupported);
  CHECK(secure.error().message.find("TLS") != std::string::npos);
  for (const char* url : {"redis://u:q7-secret@h:no", "redis://:q7-secret@h/q", "redis://:q7-secret%@h"}) {
    CHECK(open_redis_cache({.url = url}).error().message.find("q7-secret") == std::string::npos);
  }
  CHECK(open_redis_cache({.url = "redis://h", .most_connections = 0}).error().code == Errc::invalid_argument);
  CHECK(open_redis_cache({.url = "redis://h", .call_timeout = 0ms}).error().code == Errc::invalid_argument);
  CHECK(open_cache("rediss://h").error().code == Errc::unsupported);
}

TEST_CASE("prefixes and databases are worlds of their own") {
  const OwnRedis redis;
  const auto one = open(redis.url()), blue = open(redis.url() + "?prefix=blue"), second = open(redis.url() + "?db=2");
  for (const auto& cache : {one, blue, second}) CHECK(at(*cache, "a") == "nothing");
  one->put("a", "1", 1h, Keep::until_over).value();
  blue->put("a", "2", 1h, Keep::until_over).value();
  CHECK(at(*second, "a") == "nothing");
  CHECK(blue->take("b", {.per_second = 1e-6, .burst = 1}).value().granted);
  CHECK(one->take("b", {.per_second = 1e-6, .burst = 1}).value().granted);
  CHECK_FALSE(one->take("b", {.per_second = 1e-6, .burst = 1}).value().granted);
  CHECK(at(*one, "a") == "1");
  CHECK(at(*blue, "a") == "2");
}

TEST_CASE("a password is asked for, and never told") {
  OwnRedis redis({"--requirepass", "q7-secret", "--user", "app", "on", ">q8-secret", "~*", "+@all"});
  const auto socket = redis.socket();
  const auto opened = [&](const std::string& login, const std::string& query = "") {
    return open_redis_cache({.url = "redis+unix://" + login + socket + query, .connect_timeout = 10s});
  };
  CHECK(opened(":q7-secret@"));
  CHECK(opened("default:q7-secret@"));
  CHECK(opened("app:q8-secret@"));
  CHECK(opened("app:q8%2dsecret@"));
  for (const char* login : {"", ":q9-secret@", "app:q9-secret@", "nobody:q7-secret@"}) {
    const auto refused = opened(login);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unavailable);
    CHECK(refused.error().message.find("-secret") == std::string::npos);
  }
  CHECK_FALSE(opened(":q7-secret@", "?db=99"));  // there are 16
}

TEST_CASE("a Redis that is not there costs one wait, and is found when it comes") {
  OwnRedis redis;
  const auto cache = open(redis.url());
  cache->put("a", "1", 1h, Keep::until_over).value();
  redis.kill();
  const auto lost = cache->get("a");
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == Errc::unavailable);
  CHECK(lost.error().message.find(redis.socket()) != std::string::npos);
  CHECK(seconds_of([&] {
          for (int i = 0; i < 1'000; ++i) CHECK_FALSE(cache->get("a"));
        }) < 2);
  const auto later = open(redis.url());  // is no error
  CHECK(later->get("a").error().code == Errc::unavailable);
  redis.start();
  CHECK(testing::answered([&] { return cache->get("a"); }).value() == std::nullopt);  // it came back empty
  CHECK(testing::answered([&] { return later->get("a"); }).value() == std::nullopt);
  cache->put("a", "2", 1h, Keep::until_over).value();
  CHECK(at(*cache, "a") == "2");
  redis.kill();
  redis.start();
  CHECK(at(*cache, "a") == "nothing");  // who lies idle is looked at first
}

TEST_CASE("a Redis that says nothing costs one time-out, not one a call") {
  const OwnRedis redis;
  const auto cache = testing::answered([&] { return open_redis_cache({.url = redis.url()}); }).value();
  testing::answered([&] { return cache->put("a", "1", 1h, Keep::until_over); }).value();
  redis.freeze(true);
  CHECK(seconds_of([&] { CHECK_FALSE(cache->get("a")); }) < 1.5);
  // Pauses of 50 ms to 2 s lie between further attempts, each of them a time-out for one who asks.
  std::atomic<int> calls{0}, waited{0};
  const auto until = std::chrono::steady_clock::now() + 3s;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (std::chrono::steady_clock::now() < until) {
        if (seconds_of([&] { CHECK_FALSE(cache->take("b", {})); }) > 0.1) ++waited;
        ++calls;
        std::this_thread::sleep_for(1ms);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(calls > 500);
  CHECK(waited <= 8);
  redis.freeze(false);
  CHECK(testing::answered([&] { return cache->get("a"); }).value() == "1");
}

TEST_CASE("what must stay is not thrown out for answers, and is swept when it is over") {
  const OwnRedis redis({"--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru"});
  const auto cache = open(redis.url());
  for (int i = 0; i < 200; ++i) {
    cache->put(fmt::format("session/{}", i), "rights", i < 50 ? 200ms : 1h, Keep::until_over).value();
  }
  for (int i = 0; i < 1'000; ++i) {
    cache->put(fmt::format("answer/{}", i), std::string(50'000, 'x'), 1h, Keep::while_room).value();
  }
  int answers = 0;
  for (int i = 0; i < 1'000; ++i) answers += cache->get(fmt::format("answer/{}", i)).value() ? 1 : 0;
  CHECK(answers > 10);
  CHECK(answers < 200);
  for (int i = 50; i < 200; ++i) CHECK(at(*cache, fmt::format("session/{}", i)) == "rights");
  std::this_thread::sleep_for(200ms);
  CHECK(at(*cache, "session/0") == "nothing");
  cache->put("session/more", "rights", 1h, Keep::until_over).value();
  CHECK(redis.ask({"exists", "{fractal}value:session/0"}) == "0");
  CHECK(redis.ask({"zcard", "{fractal}kept"}) == "151");
  CHECK(std::stoll(redis.ask({"pttl", "{fractal}value:session/60"})) == -1);  // or volatile-lru would take it
}

TEST_CASE("without room: what may go goes at once, what must stay is refused") {
  const OwnRedis redis({"--maxmemory", "6mb", "--maxmemory-policy", "noeviction"});
  const auto cache = open(redis.url());
  cache->put("a", "old", 1h, Keep::while_room).value();
  Result<void> put;
  int kept = 0;
  while (kept < 1'000 &&
         (put = cache->put(fmt::format("kept/{}", kept), std::string(20'000, 'x'), 1h, Keep::until_over)))
    ++kept;
  REQUIRE_FALSE(put);
  CHECK(put.error().code == Errc::unavailable);
  CHECK(put.error().message.find("OOM") != std::string::npos);
  CHECK(kept > 20);
  CHECK(cache->put("a", std::string(500'000, 'x'), 1h, Keep::while_room));
  CHECK(at(*cache, "a") == "nothing");  // not what it was before
  CHECK(at(*cache, "kept/0").size() == 20'000);
  CHECK(cache->take("bucket", {}).error().code == Errc::unavailable);
  for (int i = 0; i < 20; ++i) CHECK(cache->erase(fmt::format("kept/{}", i)).value());
  CHECK(testing::answered([&] { return cache->put("again", std::string(20'000, 'x'), 1h, Keep::until_over); }));
}

TEST_CASE("a key with its value is a MiB at most") {
  const OwnRedis redis;
  const auto cache = open(redis.url());
  const std::string most((1u << 20) - 1, 'x');
  for (const Keep keep : {Keep::while_room, Keep::until_over}) {
    cache->put("a", most, 1h, keep).value();
    CHECK(at(*cache, "a") == most);
  }
  CHECK(cache->put("a", most + "x", 1h, Keep::until_over).error().code == Errc::unavailable);
  CHECK(cache->put("a", most + "x", 1h, Keep::while_room));
  CHECK(at(*cache, "a") == "nothing");
}

TEST_CASE("scripts that were forgotten are told again, and what is not ours is not there") {
  const OwnRedis redis;
  const auto cache = open(redis.url());
  const Cache::Bucket bucket{.per_second = 1e-6, .burst = 3};
  for (int i = 0; i < 3; ++i) {
    CHECK(cache->take("a", bucket).value().granted);
    CHECK(redis.ask({"script", "flush"}) == "OK");
  }
  CHECK_FALSE(cache->take("a", bucket).value().granted);
  for (const char* foreign : {"", "x", "k", "k12", "kxxxxxxxxxxxxxxabc"}) {
    redis.ask({"set", "{fractal}value:b", foreign});
    CHECK(at(*cache, "b") == "nothing");
  }
  redis.ask({"del", "{fractal}value:b"});
  redis.ask({"lpush", "{fractal}value:b", "x"});
  CHECK(cache->get("b").error().code == Errc::unavailable);
  CHECK(at(*cache, "c") == "nothing");  // the connection is as good as before
}

TEST_CASE("more threads than connections take turns") {
  const OwnRedis redis;
  const auto cache = open_redis_cache({.url = redis.url(), .most_connections = 2, .call_timeout = 5s}).value();
  std::atomic<int> granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        granted += cache->take("a", {.per_second = 1e-6, .burst = 1'000}).value().granted ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(granted == 1'000);
  CHECK(std::stoi(
            redis.ask({"info", "clients"}).substr(redis.ask({"info", "clients"}).find("connected_clients:") + 18)) <=
        3);
}

TEST_CASE("a cluster: all keys of a prefix are in one slot, and its node is found, also when it moves") {
  const std::uint16_t first_port = free_port(), second_port = free_port(), first_bus = free_port(), bus = free_port();
  const auto words = [](std::uint16_t port) {
    return std::vector<std::string>{"--cluster-enabled", "yes", "--cluster-port", std::to_string(port)};
  };
  const OwnRedis first(words(first_bus), first_port), second(words(bus), second_port);
  for (const OwnRedis* node : {&first, &second}) {
    CHECK(node->ask({"config", "set", "cluster-require-full-coverage", "no"}) == "OK");
  }
  const std::string slot = first.ask({"cluster", "keyslot", "{fractal}value:a"});
  for (const char* key : {"{fractal}kept", "{fractal}bucket:a", "{fractal}value:{b}c"}) {
    CHECK(first.ask({"cluster", "keyslot", key}) == slot);
  }
  const std::string second_id = second.ask({"cluster", "myid"}), first_id = first.ask({"cluster", "myid"});
  CHECK(first.ask({"cluster", "meet", "127.0.0.1", std::to_string(second_port), std::to_string(bus)}) == "OK");
  for (int i = 0; i < 200 && first.ask({"cluster", "nodes"}).find(second_id) == std::string::npos; ++i) {
    std::this_thread::sleep_for(50ms);
  }
  CHECK(second.ask({"cluster", "addslots", slot}) == "OK");
  const auto cache = open(fmt::format("redis://127.0.0.1:{}", first_port));
  const auto put =
      testing::answered([&] { return cache->put("a", "1", 1h, Keep::until_over); });  // once the news has spread
  REQUIRE_MESSAGE(put, put.error().message);
  CHECK(at(*cache, "a") == "1");
  CHECK(cache->take("b", {}).value().granted);
  CHECK(cache->erase("a").value());
  CHECK(second.ask({"dbsize"}) == "1");  // the bucket
  // Who imports a slot gets a new epoch with it, and who had it is told first: no news of before takes it back.
  second.ask({"flushall"});
  CHECK(first.ask({"cluster", "setslot", slot, "importing", second_id}) == "OK");
  for (const OwnRedis* node : {&second, &first}) {
    CHECK(node->ask({"cluster", "setslot", slot, "node", first_id}) == "OK");
  }
  CHECK(testing::answered([&] { return cache->put("a", "2", 1h, Keep::until_over); }));
  CHECK(at(*cache, "a") == "2");
  CHECK(first.ask({"dbsize"}) == "2");
}
