// What others commit reaches what a program has in memory without being asked for (LISTEN).
#include "tests/postgres/fresh_schema.h"

#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace fractal {
namespace {

FractalMemory open(const std::string& url) {
  return FractalMemory::open({.path = url, .durability = Durability::off, .embedder = nullptr}).value();
}

bool soon(const std::function<bool()>& so) {
  for (int tries = 0; tries < 2'000; ++tries) {
    if (so()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST_CASE("an index in memory follows what another program stores") {
  const std::string url = testing::fresh_postgres_url();
  const FractalMemory here = open(url), elsewhere = open(url);
  here.store({.coordinate = {1}, .payload = "{}", .embedding = {1, 0}}).value();
  REQUIRE(here.search(std::vector<float>{1, 0}).value().hits.size() == 1);  // loads it
  const auto written = elsewhere.store({.coordinate = {2}, .payload = "{}", .embedding = {0, 1}}).value();
  CHECK(soon([&] { return here.stats().value().index_applied >= written.sequence; }));
  CHECK(here.stats().value().index_vectors == 2);
}

TEST_CASE("a listener hears of every space, its own writes too, until it goes") {
  PostgresOptions options;
  options.url = testing::fresh_postgres_url();
  options.durability = Durability::off;
  const auto storage = open_postgres_storage(options).value();
  // Other tests write to the same database, in schemas of their own.
  std::mutex mutex;
  std::set<std::pair<std::uint64_t, std::uint64_t>> heard;
  std::atomic<std::uint64_t> notices = 0;
  auto listening = storage->listen([&](std::uint64_t number, std::uint64_t up_to) {
    const std::lock_guard lock(mutex);
    heard.emplace(number, up_to);
    ++notices;
  });
  REQUIRE(listening);
  REQUIRE(soon([&] { return notices > 0; }));  // connected: anything may have changed before
  const auto memory = FractalMemory::open({.storage = storage}).value().in({.tenant = "alice"});
  memory.store({.coordinate = {1}, .payload = "{}"}).value();
  const auto state = memory.state().value();
  CHECK(soon([&] {
    const std::lock_guard lock(mutex);
    return heard.contains({state.number, state.sequence});
  }));
  listening.reset();
  const std::uint64_t before = notices;
  memory.store({.coordinate = {2}, .payload = "{}"}).value();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(notices == before);
}

TEST_CASE("a listener whose connection was cut is told that anything may have changed") {
  const std::string url = testing::fresh_postgres_url();
  PostgresOptions options;
  options.url = url + "&application_name=cut_listener";
  const auto storage = open_postgres_storage(options).value();
  std::atomic<int> of_any = 0;
  const auto listening = storage->listen([&](std::uint64_t number, std::uint64_t) { of_any += number == 0 ? 1 : 0; });
  REQUIRE(soon([&] { return of_any == 1; }));
  testing::run_on_postgres(
      "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut_listener'; "
      "END $$");
  CHECK(soon([&] { return of_any == 2; }));
}

}  // namespace
}  // namespace fractal
