// What a pair of indexes goes through, whoever keeps the vectors.
#ifndef FRACTAL_TESTS_CONFORMANCE_INDEX_FAULTS_H
#define FRACTAL_TESTS_CONFORMANCE_INDEX_FAULTS_H

#include "tests/conformance/index_pair.h"
#include "tests/faults/fault_proxy.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace fractal::testing {

// The index is behind the proxy, whose network fails for duration(): no answer is wrong or short, and afterwards nothing
// differs.
inline void outlive_network(const IndexPair& pair, FaultProxy& proxy) {
  const std::uint64_t seed = announced_seed("network");
  Random random(seed);
  for (int i = 0; i < 100; ++i) pair.change(random);
  proxy.break_one_in(25, every_network_fault, seed);
  std::size_t writes = 0, searches = 0;
  for (const auto end = std::chrono::steady_clock::now() + duration(); std::chrono::steady_clock::now() < end;
       ++searches) {
    for (std::size_t i = random.below(6); i > 0; --i, ++writes) pair.change(random);
    pair.compare(random);
  }
  proxy.calm();
  pair.settle();
  MESSAGE(
      fmt::format("{} writes, {} searches, {} resets", writes, searches, proxy.met(NetworkFault::reset_after_sending)));
}

// For duration(), at least three times, while it is written to: after a random time kill_and_start() kills the server and
// starts it again.
inline void outlive_kills(const IndexPair& pair, Random& random, const std::function<void()>& kill_and_start) {
  const auto end = std::chrono::steady_clock::now() + duration();
  int kills = 0;
  for (; kills < 3 || std::chrono::steady_clock::now() < end; ++kills) {
    std::atomic<bool> stop{false};
    const std::chrono::milliseconds until_then(300 + random.below(600));
    std::thread killer([&] {
      std::this_thread::sleep_for(until_then);
      kill_and_start();
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
  MESSAGE(fmt::format("{} kills", kills));
  // What was delivered is found by the index itself again.
  const auto found = pair.tried.search(std::vector<float>(dimension, 1.0F)).value();
  CHECK(found.plan.find("rows") == std::string::npos);
}

}  // namespace fractal::testing

#endif
