// Networks and servers that fail under load: no acknowledged write is lost, one whose outcome is not known is there as a
// whole or not at all, and what is derived agrees with the rows afterwards.
#include "tests/answered.h"
#include "tests/faults/fault_proxy.h"
#include "tests/postgres/ledger.h"
#include "tests/postgres/load.h"
#include "tests/postgres/own_schema.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace fractal;
using testing::NetworkFault;

std::chrono::seconds seconds_of_faults() {
  return std::chrono::seconds(testing::number_from_environment("FRACTAL_FAULT_SECONDS", 30));
}

// No power cut here.
PostgresOptions patient(const std::string& url) { return {.url = url, .durability = Durability::off}; }

Result<FractalMemory> try_open(const PostgresOptions& postgres) {
  auto storage = open_postgres_storage(postgres);
  if (!storage) return std::move(storage).error();
  Options options;
  options.storage = std::move(*storage);
  options.embedder = nullptr;
  options.audit.payloads = true;
  return FractalMemory::open(std::move(options));
}

FractalMemory open(const testing::OwnSchema& schema) { return try_open(patient(schema.url())).value(); }

void make_tables(const testing::OwnSchema& schema) { open(schema); }

// Waits are short, so that a black hole is found out about within seconds; a busy machine does not keep them each time.
FractalMemory open_impatient(const std::string& url) {
  PostgresOptions postgres = patient(url);
  postgres.connect_timeout = std::chrono::milliseconds(1000);
  postgres.call_timeout = std::chrono::milliseconds(500);
  return testing::answered([&] { return try_open(postgres); }).value();
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(sentences.size(), 20); ++i) text += sentences[i] + "\n";
  return text;
}

// The same hits with the same scores.
bool agree(const SearchResult& left, const SearchResult& right) {
  const auto same = [](const Hit& a, const Hit& b) {
    return a.memory.coordinate == b.memory.coordinate && a.score == b.score;
  };
  return left.matched == right.matched && left.sequence == right.sequence &&
         std::equal(left.hits.begin(), left.hits.end(), right.hits.begin(), right.hits.end(), same);
}

// Once nothing fails any more, views that followed all the while are what the rows are.
void check_views(const FractalMemory& long_lived, const FractalMemory& fresh) {
  std::vector<float> query(testing::load_dimension, 0.5f);
  for (std::size_t number = 0; number < testing::load_spaces; ++number) {
    const Space space = testing::space_of_load(number);
    const auto expected = fresh.in(space).search(query, {.top_k = 10'000, .exact = true}).value();
    const auto found = testing::answered([&] { return long_lived.in(space).search(query, {.top_k = 10'000}); }).value();
    CHECK(agree(found, expected));
    CHECK(expected.hits.size() == expected.matched);
  }
  CHECK(joined(testing::answered([&] { return long_lived.verify(); }).value().problems) == "");
  CHECK(joined(fresh.verify().value().problems) == "");
}

// Connections that a fault left broken are found out about one by one.
void wait_until_it_works(const FractalMemory& memory) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int worked = 0;
  while (worked < 20 && std::chrono::steady_clock::now() < end) worked = memory.stats() ? worked + 1 : 0;
  REQUIRE(worked == 20);
}

void check_everything(const std::vector<FractalMemory>& handles, const testing::Ledger& ledger,
                      const testing::OwnSchema& schema) {
  const FractalMemory fresh = open(schema);
  CHECK(joined(ledger.differences(fresh)) == "");
  for (const FractalMemory& handle : handles) {
    wait_until_it_works(handle);
    check_views(handle, fresh);
  }
}

void tell(const testing::Ledger& ledger, const testing::Load& load) {
  const auto counts = ledger.counts();
  MESSAGE(counts.acknowledged, " changes acknowledged, ", counts.refused, " refused, ", counts.unknown, " unknown; ",
          load.reads(), " reads");
}

}  // namespace

TEST_CASE("a network that fails under load") {
  const std::uint64_t seed = testing::announced_seed("network faults");
  const testing::OwnSchema schema;
  make_tables(schema);
  testing::FaultProxy proxy(testing::Sql().socket());
  const std::vector<FractalMemory> handles{open_impatient(schema.url(proxy.folder())),
                                           open_impatient(schema.url(proxy.folder())),
                                           open_impatient(schema.url(proxy.folder()))};
  testing::Ledger ledger;
  {
    // Rarer are those after which a client waits until its time is up.
    std::vector<NetworkFault> faults;
    for (const NetworkFault fault : testing::every_network_fault) {
      const bool silent = fault == NetworkFault::black_hole || fault == NetworkFault::lost_reply;
      faults.insert(faults.end(), silent ? 1 : 6, fault);
    }
    testing::Load load(handles, 3, seed, ledger);
    proxy.break_one_in(100, faults, seed);
    std::this_thread::sleep_for(seconds_of_faults());
    // On a busy machine it takes longer to meet each of them.
    const auto all_met = [&] {
      return std::all_of(testing::every_network_fault.begin(), testing::every_network_fault.end(),
                         [&](NetworkFault fault) { return proxy.met(fault) > 0; });
    };
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!all_met() && std::chrono::steady_clock::now() < latest) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    proxy.calm();
    load.stop();
    CHECK(joined(load.wrong_answers()) == "");
    tell(ledger, load);
  }
  for (const NetworkFault fault : testing::every_network_fault) {
    CAPTURE(static_cast<int>(fault));
    CHECK(proxy.met(fault) > 0);
  }
  CHECK(ledger.counts().acknowledged >= 100);
  check_everything(handles, ledger, schema);
}

TEST_CASE("backends that are killed under load") {
  const std::uint64_t seed = testing::announced_seed("killed backends");
  const testing::OwnSchema schema;
  make_tables(schema);
  const std::vector<FractalMemory> handles{open_impatient(schema.url()), open_impatient(schema.url()),
                                           open_impatient(schema.url())};
  testing::Ledger ledger;
  std::uint64_t killed = 0;
  {
    testing::Sql sql;
    testing::Random random(seed);
    testing::Load load(handles, 3, seed, ledger);
    const auto end = std::chrono::steady_clock::now() + seconds_of_faults();
    while (std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(150)));
      killed += sql.rows(
                       "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 "
                       "ORDER BY random() LIMIT 1",
                       {schema.name()})
                    .size();
    }
    load.stop();
    CHECK(joined(load.wrong_answers()) == "");
    tell(ledger, load);
  }
  CHECK(killed >= 20);
  CHECK(ledger.counts().acknowledged >= 100);
  check_everything(handles, ledger, schema);
}

TEST_CASE("a commit that meets each fault is done or not, as a whole, and the answer is no lie") {
  const testing::OwnSchema schema;
  make_tables(schema);
  testing::FaultProxy proxy(testing::Sql().socket());
  const FractalMemory direct = open(schema);
  double place = 0;
  for (const NetworkFault fault : testing::every_network_fault) {
    CAPTURE(static_cast<int>(fault));
    const FractalMemory memory = open_impatient(schema.url(proxy.folder()));
    testing::Ledger ledger;
    const Space space{.tenant = fmt::format("fault {}", static_cast<int>(fault))};
    const auto write = [&] {
      Batch batch;
      for (int i = 0; i < 3; ++i) {
        batch.store({.coordinate = {++place}, .payload = fmt::format(R"({{"token":"{}"}})", place)});
      }
      auto answer = memory.in(space).apply(batch);
      ledger.note(space, batch, answer);
      return answer;
    };
    write().value();
    const std::uint64_t met = proxy.met(fault);
    proxy.break_next_commit(fault);
    const auto answer = write();
    CHECK(proxy.met(fault) == met + 1);
    // What became of it is found out. Nobody is there to be asked within the time that a black hole has taken.
    if (fault != NetworkFault::black_hole) CHECK(answer.has_value());
    if (!answer) CHECK(answer.error().code == Errc::unavailable);
    wait_until_it_works(memory);
    write().value();
    CHECK(joined(ledger.differences(direct)) == "");
    // A commit that the server was told of is done, once; another is not, unless it was told again.
    const bool heard = fault != NetworkFault::reset_before_sending && fault != NetworkFault::black_hole;
    CHECK(direct.in(space).stats().value().memories == (heard || answer ? 9 : 6));
  }
}

TEST_CASE("a caller's deadline holds when nobody answers") {
  const testing::OwnSchema schema;
  make_tables(schema);
  testing::FaultProxy proxy(testing::Sql().socket());
  const FractalMemory memory = open_impatient(schema.url(proxy.folder()));
  const Memory tea{.coordinate = {1}, .payload = R"({"text": "tea"})"};
  testing::answered([&] { return memory.store(tea); }).value();
  const Snapshot snapshot = testing::answered([&] { return memory.snapshot(); }).value();
  // Whatever would ask the server to stop meets the same silence.
  proxy.break_one_in(1, std::array{NetworkFault::black_hole}, 1);
  SearchOptions options;
  options.control.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const auto found = snapshot.search("tea", options);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Errc::unavailable);
  proxy.calm();
  wait_until_it_works(memory);
  CHECK(testing::answered([&] { return memory.search("tea"); }).value().hits.size() == 1);
}
