// A network that delays, cuts, resets and swallows what is said: a value is the one that was put, or it is not known.
#include "tests/faults/fault_proxy.h"
#include "tests/redis/own_redis.h"
#include "tests/seeded_random.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

using namespace fractal;
using namespace fractal::testing;
using namespace std::chrono_literals;
using Keep = Cache::Keep;

namespace {

using Instant = std::chrono::steady_clock::time_point;

// Written and read by one thread, so that it is known what can be there.
class Client {
 public:
  Client(Cache& cache, int number, std::uint64_t seed) : cache_(cache), number_(number), random_(seed) {}

  void step() {
    const std::size_t key = random_.below(keys);
    const std::string name = fmt::format("{}\r\n{}", number_, key);
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2: {
        const std::string value = fmt::format("{} {} {}", name, ++versions_, std::string(random_.below(3'000), 'x'));
        const auto put = cache_.put(name, value, 1h, random_.coin() ? Keep::while_room : Keep::until_over);
        note(key, value, put.has_value());
        break;
      }
      case 3: {
        const auto erased = cache_.erase(name);
        note(key, "", erased.has_value());
        break;
      }
      case 4: {
        const auto taken = cache_.take("all", {.per_second = 1e-9, .burst = 500});
        count(taken.has_value());
        granted += taken && taken->granted ? 1 : 0;
        break;
      }
      default: {
        const auto got = cache_.get(name);
        count(got.has_value());
        if (!got) break;
        const auto& can = possible_[key];
        const std::string found = got->value_or("");
        if (std::none_of(can.begin(), can.end(), [&](const Possible& one) { return one.value == found; })) {
          wrong = fmt::format("{}: \"{}\", and {} can be there", key, found.substr(0, 40), can.size());
        }
      }
    }
  }

  int answered = 0, failed = 0, granted = 0;
  std::string wrong{};

 private:
  static constexpr std::size_t keys = 20;
  static constexpr auto longest_way = 2s;  // of what was sent by a connection that broke
  struct Possible {
    std::string value{};  // empty: nothing is there
    bool answered = true;
    Instant when{};
  };

  void count(bool good) {
    ++(good ? answered : failed);
    if (!good) std::this_thread::sleep_for(2ms);
  }
  void note(std::size_t key, const std::string& value, bool good) {
    count(good);
    const Instant now = std::chrono::steady_clock::now();
    if (good) {
      std::erase_if(possible_[key], [&](const Possible& one) { return one.answered || one.when < now - longest_way; });
    }
    possible_[key].push_back({value, good, now});
  }

  Cache& cache_;
  int number_;
  Random random_;
  int versions_ = 0;
  std::array<std::vector<Possible>, keys> possible_ = [] {
    std::array<std::vector<Possible>, keys> nothing;
    nothing.fill({Possible{}});
    return nothing;
  }();
};

}  // namespace

TEST_CASE("through a network that fails") {
  const std::uint64_t seed = announced_seed("redis_faults");
  const std::chrono::seconds time(number_from_environment("FRACTAL_FAULT_SECONDS", 10));
  const OwnRedis redis;
  FaultProxy proxy(redis.socket());
  const auto cache =
      open_redis_cache({.url = "redis+unix://" + proxy.folder() + "/socket", .call_timeout = 300ms}).value();
  proxy.break_one_in(150, every_network_fault, seed);
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(*cache, i, seed + static_cast<std::uint64_t>(i));
  const auto until = std::chrono::steady_clock::now() + time;
  std::vector<std::thread> threads;
  // On a busy machine it takes longer to meet each of them.
  const auto all_met = [&] {
    return std::all_of(every_network_fault.begin(), every_network_fault.end(),
                       [&](auto fault) { return proxy.met(fault) > 0; });
  };
  for (Client& client : clients) {
    threads.emplace_back([&] {
      const auto latest = until + 60s;
      for (auto now = Instant(); client.wrong.empty() && (now < until || (!all_met() && now < latest));
           now = Instant::clock::now()) {
        client.step();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  proxy.calm();
  int answered = 0, failed = 0, granted = 0;
  for (Client& client : clients) {
    CHECK_MESSAGE(client.wrong.empty(), client.wrong);
    answered += client.answered;
    failed += client.failed;
    granted += client.granted;
  }
  std::printf("redis_faults: %d answered, %d not, %d tokens\n", answered, failed, granted);
  for (const NetworkFault fault : every_network_fault) CHECK(proxy.met(fault) > 0);
  CHECK(answered > 10 * time.count());
  CHECK(failed > 0);
  CHECK(granted <= 500);
  std::this_thread::sleep_for(2'500ms);  // the longest pause
  (void)cache->get("a");
  CHECK(cache->put("a", "1", 1h, Keep::while_room));
  CHECK(cache->get("a").value() == "1");
}
