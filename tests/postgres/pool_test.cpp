// The connections of a storage: never more than it may have, waited for, made anew after they were cut, never waited on for
// ever; and no message tells a secret.
#include "backends/postgres/pool.h"
#include "tests/answered.h"
#include "tests/faults/fault_proxy.h"
#include "tests/postgres/own_schema.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fractal;
using std::chrono::milliseconds;

constexpr std::size_t most = 4;
constexpr std::size_t listening = 1;  // a database's, for notices

PostgresOptions options_for(const std::string& url) {
  return {.url = url, .durability = Durability::off, .most_connections = most};
}

Result<FractalMemory> try_open(std::shared_ptr<Storage> storage) {
  Options options;
  options.storage = std::move(storage);
  options.embedder = nullptr;
  return FractalMemory::open(std::move(options));
}

FractalMemory open(const PostgresOptions& postgres) {
  return try_open(open_postgres_storage(postgres).value()).value();
}

// With the time-outs that there are by default, which a busy machine keeps.
void make_tables(const testing::OwnSchema& schema) { open_postgres_storage(options_for(schema.url())).value(); }

// Now or soon: with shorter ones it may need several attempts.
bool becomes(const auto& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

std::shared_ptr<Storage> open_storage_soon(const PostgresOptions& postgres) {
  return testing::answered([&] { return open_postgres_storage(postgres); }).value();
}

FractalMemory open_soon(const std::shared_ptr<Storage>& storage) {
  return testing::answered([&] { return try_open(storage); }).value();
}

// A call that makes a connection ends the problem of one that could not.
bool loses_its_problems(Storage& storage) {
  return becomes([&] { return storage.spaces().has_value() && storage.problems().empty(); });
}

std::size_t backends(testing::Sql& sql, const testing::OwnSchema& schema) {
  return std::stoul(sql.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", {schema.name()}));
}

// Those that there are now. The one that listens may come back meanwhile.
void cut_all(testing::Sql& sql, const testing::OwnSchema& schema) {
  const auto cut = sql.rows("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                            {schema.name()});
  for (const auto& row : cut) {
    while (sql.value("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", {row[0]}) != "0") {
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
}

// What its backends do, or have open in a transaction: nothing, now or soon.
std::string busy_with(const testing::OwnSchema& schema) {
  testing::Sql sql;  // in no transaction: there the server shows each time what it showed first
  std::string busy;
  for (int look = 0; look < 1000; ++look) {
    busy = sql.value(
        "SELECT string_agg(concat(pid, ' ', state, ' since ', now() - query_start, ': ', query), E'\n') FROM "
        "pg_stat_activity WHERE application_name = $1 AND state <> 'idle'",
        {schema.name()});
    if (busy.empty()) break;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return busy;
}

// Now or soon: the connection that listens comes back by itself.
bool becomes_healthy(const FractalMemory& memory) {
  for (int look = 0; look < 1000; ++look) {
    if (memory.health().value().ok) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

template <class T> void check_unavailable(const Result<T>& result) {
  REQUIRE_FALSE(result);
  CAPTURE(result.error().message);
  CHECK(result.error().code == Errc::unavailable);
}

}  // namespace

TEST_CASE("64 threads share the connections there may be, and nobody fails") {
  const testing::OwnSchema schema;
  PostgresOptions postgres = options_for(schema.url());
  postgres.connect_timeout = std::chrono::seconds(60);  // that is, for their turn
  const FractalMemory memory = open(postgres);
  memory.store({.coordinate = {0}, .payload = R"({"text": "tea"})"}).value();
  std::atomic<int> working = 64, failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      const FractalMemory own = memory.in({.tenant = fmt::to_string(t % 8)});
      for (int i = 0; i < 5; ++i) {
        if (!own.store({.coordinate = {static_cast<double>(t), static_cast<double>(i)}})) ++failed;
        if (!memory.search("tea")) ++failed;
        if (!own.retrieve({static_cast<double>(t), static_cast<double>(i)})) ++failed;
      }
      --working;
    });
  }
  testing::Sql sql;
  std::size_t seen = 0;
  while (working > 0) seen = std::max(seen, backends(sql, schema));
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(seen >= 2);
  CHECK(seen <= most + listening);
  CHECK(backends(sql, schema) <= most + listening);
}

TEST_CASE("who waits in vain for a connection is told so, and nobody else") {
  const testing::OwnSchema schema;
  make_tables(schema);
  PostgresOptions postgres = options_for(schema.url());
  postgres.connect_timeout = milliseconds(200);
  const auto storage = open_storage_soon(postgres);
  std::vector<std::unique_ptr<ReadView>> views;
  CHECK(becomes([&] {
    if (auto view = storage->read({})) views.push_back(std::move(*view));
    return views.size() == most;
  }));
  REQUIRE(views.size() == most);
  const auto one_more = storage->read({});
  check_unavailable(one_more);
  CHECK(one_more.error().message.find("in use") != std::string::npos);
  for (const auto& view : views) CHECK(view->get("no key", Columns::header).has_value());
  views.pop_back();
  CHECK(becomes([&] { return storage->read({}).has_value(); }));
}

TEST_CASE("when all backends have been cut, new connections are made") {
  const testing::OwnSchema schema;
  const FractalMemory memory = open(options_for(schema.url()));
  testing::Sql sql;
  for (int round = 0; round < 3; ++round) {
    {
      // As many as there may be.
      std::vector<Snapshot> snapshots;
      while (snapshots.size() + 1 < most) snapshots.push_back(memory.snapshot().value());
      CHECK(backends(sql, schema) >= most - 1);
      cut_all(sql, schema);
      for (const Snapshot& snapshot : snapshots) check_unavailable(snapshot.retrieve({1}));
    }
    // Each connection that was there may fail one call, as `unavailable`.
    std::size_t failed = 0;
    for (auto stored = memory.store({.coordinate = {1}}); !stored; stored = memory.store({.coordinate = {1}})) {
      check_unavailable(stored);
      REQUIRE(++failed <= most);
    }
    for (int i = 0; i < 10; ++i) CHECK(memory.retrieve({1}).has_value());
    CHECK(becomes_healthy(memory));
  }
}

TEST_CASE("a connection goes back to the pool without what was left open on it") {
  const testing::OwnSchema schema;
  const FractalMemory memory = open(options_for(schema.url()));
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})"}).value();
  std::atomic<bool> cancel = true;
  for (int i = 0; i < 20; ++i) {
    CHECK_FALSE(memory.update({2}, {.importance = 1}));
    SearchOptions options;
    options.control.cancel = &cancel;
    check_unavailable(memory.search("tea", options));
    CHECK(memory.retrieve({1}).has_value());
  }
  testing::Sql sql;
  CHECK(busy_with(schema) == "");
  CHECK(backends(sql, schema) <= most + listening);
}

TEST_CASE("a statement that takes too long is unavailable, and done by nobody") {
  const testing::OwnSchema schema;
  open(options_for(schema.url())).store({.coordinate = {1}}).value();
  PostgresOptions postgres = options_for(schema.url());
  postgres.call_timeout = milliseconds(300);
  const FractalMemory memory = open_soon(open_storage_soon(postgres));
  testing::Sql sql;
  sql.rows("BEGIN");
  sql.rows(fmt::format("LOCK TABLE {}.sfm_memories IN ACCESS EXCLUSIVE MODE", schema.name()));
  check_unavailable(memory.retrieve({1}));
  check_unavailable(memory.store({.coordinate = {2}}));
  check_unavailable(memory.list());
  // Nor does the server go on with it.
  CHECK(busy_with(schema) == "");
  sql.rows("ROLLBACK");
  CHECK(becomes([&] { return memory.retrieve({1}).has_value(); }));
  CHECK(open(options_for(schema.url())).list().value().memories.size() == 1);
}

TEST_CASE("a server that never answers is given up") {
  const testing::OwnSchema schema;
  make_tables(schema);
  testing::FaultProxy proxy(testing::Sql().socket());
  PostgresOptions postgres = options_for(schema.url(proxy.folder()));
  postgres.connect_timeout = milliseconds(300);
  proxy.break_next(testing::NetworkFault::black_hole);
  check_unavailable(open_postgres_storage(postgres));
  const auto storage = open_storage_soon(postgres);
  CHECK(loses_its_problems(*storage));
  CHECK(proxy.met(testing::NetworkFault::black_hole) == 1);
}

TEST_CASE("a storage that was opened read-only writes nothing, whoever asks") {
  const testing::OwnSchema schema;
  open(options_for(schema.url())).store({.coordinate = {1}}).value();
  PostgresOptions postgres = options_for(schema.url());
  postgres.read_only = true;
  const FractalMemory memory = open(postgres);
  CHECK(memory.retrieve({1}).has_value());
  CHECK(memory.store({.coordinate = {2}}).error().code == Errc::unsupported);
  CHECK(memory.maintain().error().code == Errc::unsupported);
  CHECK(memory.create_index("year").error().code == Errc::unsupported);
  // The server holds to it, too.
  const auto server = postgres_backend::Server{
      .conninfo = schema.url(), .name = "read-only", .setup = "SET default_transaction_read_only = on"};
  const auto connection = postgres_backend::Connection::open(server).value();
  const auto written = connection->run("write", "DELETE FROM sfm_memories");
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Errc::unsupported);
  CHECK(memory.stats().value().memories == 1);
}

TEST_CASE("what is wrong with a URL or a server is told without its secrets") {
  const testing::OwnSchema schema;
  constexpr std::string_view secret = "Gehe1mnis";
  const std::string host = testing::Sql().folder();
  const auto with_password = [&](std::string_view user, std::string_view database, std::string_view rest) {
    return fmt::format("postgres://{}:{}@/{}?{}", user, secret, database, rest);
  };
  const std::vector<std::string> urls{
      with_password("postgres", "no_such_database", "host=" + host),
      with_password("nobody", "postgres", "host=" + host),
      with_password("postgres", "postgres", "host=/nowhere"),
      with_password("postgres", "postgres", "host=localhost&port=1"),
      with_password("postgres", "postgres", "host=" + host + "&no_such_setting=1"),
      with_password("postgres", "postgres", "port=none&host=" + host),
      with_password("postgres", "postgres%zz", "host=" + host),
      fmt::format("postgres://postgres@/postgres?host={}&password={}&options=-cno_such_setting%3D1", host, secret),
      fmt::format("postgres://postgres@/postgres?host={}&sslpassword={}&port=1", host, secret),
      fmt::format("postgres://[{}/postgres", secret),
      fmt::format("mysql://postgres:{}@host/database", secret),
      fmt::format("host={} password={}", host, secret)};
  for (const std::string& url : urls) {
    auto opened = open_postgres_storage({.url = url, .connect_timeout = milliseconds(2000)});
    REQUIRE_FALSE(opened);
    CAPTURE(opened.error().message);
    CHECK(opened.error().message.find(secret) == std::string::npos);
    CHECK((opened.error().code == Errc::unavailable || opened.error().code == Errc::invalid_argument));
  }
}

TEST_CASE("nor is a secret told once the connections are cut") {
  const testing::OwnSchema schema;
  make_tables(schema);
  constexpr std::string_view secret = "Gehe1mnis";
  auto proxy = std::make_unique<testing::FaultProxy>(testing::Sql().socket());
  PostgresOptions postgres = options_for(schema.url(proxy->folder()) + "&password=" + std::string(secret));
  postgres.connect_timeout = milliseconds(500);
  const auto storage = open_storage_soon(postgres);
  const FractalMemory memory = open_soon(storage);
  CHECK(loses_its_problems(*storage));
  proxy.reset();  // there is no server any more
  std::vector<std::string> said;
  for (int i = 0; i < 3; ++i) {
    const auto stored = memory.store({.coordinate = {1}});
    check_unavailable(stored);
    said.push_back(stored.error().message);
  }
  const Health health = memory.health().value();
  CHECK_FALSE(health.ok);
  CHECK_FALSE(storage->problems().empty());
  said.push_back(health.backend);
  said.push_back(storage->describe());
  said.insert(said.end(), health.problems.begin(), health.problems.end());
  for (const std::string& one : said) {
    CAPTURE(one);
    CHECK(one.find(secret) == std::string::npos);
  }
}
