// Programs that write by plain SQL, and ours, at the same time: the sequence numbers of a space are those of one writer
// after the other, and everything agrees in the end.
#include "tests/postgres/fresh_schema.h"
#include "tests/postgres/service_database.h"
#include "tests/seeded_random.h"

#include <fractal/postgres.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

namespace fractal {
namespace {

using testing::SqlSession;

const Space shared{.tenant = "t", .name = "n"};
const Space quiet{.tenant = "t", .name = "quiet"};
constexpr int writers_of_a_kind = 2, writes_each = 150;

// Nobody tells it what others write: so nothing is indexed, and no memory changes twice.
struct Deaf final : StorageWrapper {
  using StorageWrapper::StorageWrapper;
  std::shared_ptr<void> listen(const ChangeListener&) override { return nullptr; }
};

FractalMemory open(const std::string& url) {
  PostgresOptions on;
  on.url = url;
  on.durability = Durability::off;
  Options options{.space = shared, .storage = std::make_shared<Deaf>(open_postgres_storage(on).value())};
  options.embedder = nullptr;
  return FractalMemory::open(options).value();
}

std::string adopted_service() {
  const std::string url = testing::fresh_service_url();
  PostgresOptions on;
  on.url = url;
  adopt_postgres(on, {.dry_run = false}).value();
  return url;
}

// What went wrong, of any thread.
struct Failures {
  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    all.insert(what);
  }
  std::mutex mutex{};
  std::set<std::string> all{};
};

template <class T> Result<void> outcome(const Result<T>& result) { return result ? Result<void>() : result.error(); }

// Who is chosen by the server to give way does it again.
void surely(SqlSession& sql, const std::string& statement, Failures& failures) {
  std::string state = sql.attempt(statement);
  while (state == "40P01") {
    sql.run("ROLLBACK");
    state = sql.attempt(statement);
  }
  if (!state.empty()) failures.note(state + ": " + statement);
}

TEST_CASE("sequence numbers have no gap and come in the order of the commits, whoever writes") {
  const std::string url = adopted_service();
  const FractalMemory reader = open(url);
  std::atomic<int> running = 2 * writers_of_a_kind;
  Failures failures;
  std::vector<std::thread> threads;
  for (int number = 0; number < writers_of_a_kind; ++number) {
    threads.emplace_back([&, number] {
      SqlSession sql(url);
      for (int i = 0; i < writes_each; ++i) {
        const Coordinate place{1.0, 1.0 * number, 1.0 * i};
        std::string both = "BEGIN; " + testing::service_store(shared, place, "{}");
        both += "; " + testing::service_link(shared, place, {7}, "related");
        // Some think better of it.
        surely(sql, both + (i % 5 == 0 ? "; ROLLBACK" : "; COMMIT"), failures);
      }
      --running;
    });
    threads.emplace_back([&, number] {
      const FractalMemory memory = open(url);
      for (int i = 0; i < writes_each; ++i) {
        Batch batch;
        batch.store({.coordinate = {2.0, 1.0 * number, 1.0 * i}, .payload = "{}"});
        batch.link({.from = {2.0, 1.0 * number, 1.0 * i}, .to = {7}});
        if (const auto applied = memory.apply(batch); !applied) failures.note(applied.error().message);
      }
      --running;
    });
  }
  std::uint64_t last = 0;
  for (bool more = true; more;) {
    more = running != 0;
    for (const Change& change : reader.changes(last).value()) {
      REQUIRE(change.sequence == last + 1);
      last = change.sequence;
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures.all == std::set<std::string>{});
  const std::uint64_t kept = writers_of_a_kind * writes_each * 4 / 5, ours = writers_of_a_kind * writes_each;
  CHECK(last == 2 * (kept + ours));
  CHECK(reader.stats().value().memories == kept + ours);
  CHECK(reader.verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("the same memories written, moved and removed from both sides: everything agrees in the end") {
  const std::string url = adopted_service();
  const std::uint64_t seed = testing::announced_seed("postgres_foreign_writers");
  Failures failures;
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < writers_of_a_kind; ++number) {
    threads.emplace_back([&, number] {
      testing::Random random(seed + number);
      SqlSession sql(url);
      sql.run("SET deadlock_timeout = '10ms'");
      for (int i = 0; i < writes_each; ++i) {
        const Coordinate place{static_cast<double>(random.below(8))}, to{static_cast<double>(random.below(8))};
        switch (random.below(5)) {
          case 0: surely(sql, "DELETE FROM sfm_memories " + testing::at(shared, place), failures); break;
          case 1:
            surely(sql, "UPDATE sfm_memories SET importance = importance + 1 " + testing::at(shared, place), failures);
            break;
          case 2:
            surely(sql, testing::service_link(shared, place, to, "related") + " ON CONFLICT DO NOTHING", failures);
            break;
          case 3:
            surely(sql,
                   fmt::format("UPDATE sfm_memories SET namespace = 'quiet', coordinate_key = '{}.0', coordinate = "
                               "'{{{}}}' {}",
                               1'000 * number + i, 1'000 * number + i, testing::at(shared, place)),
                   failures);
            break;
          default:
            surely(sql,
                   testing::service_store(shared, place, fmt::format("{{\"text\": \"word{}\"}}", i),
                                          "ON CONFLICT (namespace, coordinate_key, tenant) DO UPDATE SET payload = "
                                          "excluded.payload"),
                   failures);
        }
      }
    });
    threads.emplace_back([&, number] {
      testing::Random random(seed + 100 + number);
      const FractalMemory memory = open(url);
      for (int i = 0; i < writes_each; ++i) {
        const Coordinate place{static_cast<double>(random.below(8))}, to{static_cast<double>(random.below(8))};
        Result<void> done;
        switch (random.below(4)) {
          case 0: done = outcome(memory.remove(place)); break;
          case 1: done = outcome(memory.link({.from = place, .to = to})); break;
          default: done = outcome(memory.store({.coordinate = place, .payload = R"({"text": "ours"})"}));
        }
        if (!done) failures.note(done.error().message);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures.all == std::set<std::string>{});
  const FractalMemory memory = open(url);
  memory.maintain().value();
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
  CHECK(memory.health().value().problems == std::vector<std::string>{});
  SqlSession sql(url);
  for (const Space& space : {shared, quiet}) {
    std::set<std::string> there, found;
    for (const auto& row : sql.ask("SELECT coordinate_key FROM sfm_memories WHERE namespace = '" + space.name + "'")) {
      there.insert(row[0]);
    }
    for (const Memory& one : memory.in(space).list().value().memories) found.insert(one.coordinate.to_string());
    CHECK(there == found);
  }
}

}  // namespace
}  // namespace fractal
