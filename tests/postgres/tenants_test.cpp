// Tenants on one server: what a hundred of them write at once under the same coordinates, with the same words, vectors and
// links, none sees of another; and a graph is there, and walked, after the program has ended.
#include "tests/postgres/own_schema.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace fractal;

constexpr std::size_t tenants = 100, threads_at_once = 8;
constexpr int places = 5;

FractalMemory open(const testing::OwnSchema& schema) {
  Options options;
  options.storage = open_postgres_storage({.url = schema.url(), .durability = Durability::off}).value();
  options.embedder = nullptr;
  options.indexed_fields = {"owner"};
  options.audit.payloads = true;
  return FractalMemory::open(options).value();
}

Space space_of(std::size_t tenant) { return {.tenant = fmt::format("tenant {}", tenant), .name = "notes"}; }

// Tenants differ in the owner that a memory names, in how many memories they have, and in a vector's length.
int memories_of(std::size_t tenant) { return places + static_cast<int>(tenant % 3); }

Batch writes_of(std::size_t tenant) {
  Batch batch;
  for (int place = 0; place < memories_of(tenant); ++place) {
    const float turn = static_cast<float>(place) * 0.3f;
    batch.store({.coordinate = {1, static_cast<double>(place)},
                 .payload = fmt::format(R"({{"text":"tea and rivers","owner":"{}"}})", tenant),
                 .embedding = {std::cos(turn), std::sin(turn), static_cast<float>(tenant) / 200}});
    batch.link({.from = {1, static_cast<double>(place)}, .to = {1, static_cast<double>(place + 1)}, .type = "next"});
  }
  // A way that is this tenant's alone.
  batch.link({.from = {1, 0}, .to = {2, static_cast<double>(tenant)}, .type = "home"});
  return batch;
}

// What one tenant sees, against what it alone has written.
class Glance {
 public:
  Glance(const FractalMemory& memory, std::size_t tenant)
      : memory_(memory), tenant_(tenant), wanted_(static_cast<std::size_t>(memories_of(tenant))) {}

  std::vector<std::string> faults() {
    look_at_rows();
    look_at_searches();
    look_at_graph();
    look_at_history();
    return std::move(faults_);
  }

 private:
  void expect(bool holds, std::string_view what) {
    if (!holds) faults_.push_back(fmt::format("tenant {}: {}", tenant_, what));
  }
  bool own(const Memory& memory) const {
    return memory.payload.find(fmt::format(R"("owner":"{}")", tenant_)) != std::string::npos;
  }
  bool only_own(const std::vector<Memory>& memories) const {
    for (const Memory& memory : memories) {
      if (!own(memory)) return false;
    }
    return memories.size() == wanted_;
  }

  void look_at_rows() {
    for (int place = 0; place < places + 3; ++place) {
      const auto row = memory_.retrieve({1, static_cast<double>(place)});
      const bool there = static_cast<std::size_t>(place) < wanted_;
      expect(there ? row && own(*row) : !row && row.error().code == Errc::not_found, "retrieve");
    }
    for (const ListOrder order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
      expect(only_own(memory_.list({.order = order}).value().memories), "list");
    }
    expect(only_own(memory_.within({1}).value().memories), "within");
    expect(memory_.near({1, 0}, {.limit = 100}).value().size() == wanted_, "near");
    const auto stats = memory_.stats().value();
    expect(stats.memories == wanted_ && stats.vectors == wanted_ && stats.links == wanted_ + 1, "stats");
  }

  void look_at_searches() {
    const std::vector<float> vector{1, 0, static_cast<float>(tenant_) / 200};
    const std::array<Query, 3> queries{
        {{.text = {}, .vector = vector}, {.text = "rivers", .vector = {}}, {.text = "rivers", .vector = vector}}};
    for (const Query& query : queries) {
      const auto found = memory_.search(query, {.top_k = 1000}).value();
      std::vector<Memory> memories;
      for (const Hit& hit : found.hits) memories.push_back(hit.memory);
      expect(only_own(memories) && found.matched == wanted_, "search");
      for (const std::size_t other : {tenant_, (tenant_ + 1) % tenants}) {
        const auto filter = Filter::eq("owner", fmt::to_string(other));
        const auto matched = memory_.search(query, {.filter = filter}).value().matched;
        expect(matched == (other == tenant_ ? wanted_ : 0), "search with a filter");
      }
    }
  }

  void look_at_graph() {
    const auto near = memory_.neighbors({1, 0}, {.hops = 64, .direction = Direction::both}).value();
    std::set<Coordinate> reached;
    for (const Neighbor& one : near) reached.insert(one.coordinate);
    expect(reached.size() == wanted_ + 1 && reached.contains({2, static_cast<double>(tenant_)}), "neighbors");
    expect(memory_.path({1, 0}, {2, static_cast<double>(tenant_)}).value().size() == 1, "path");
    const auto other = memory_.path({1, 0}, {2, static_cast<double>((tenant_ + 1) % tenants)});
    expect(!other && other.error().code == Errc::not_found, "path to another tenant's");
  }

  void look_at_history() {
    const std::size_t written = 2 * wanted_ + 1;
    const auto changes = memory_.changes(0).value();
    expect(changes.size() == written && changes.back().sequence == written, "changes");
    const auto records = memory_.audit(1000).value();
    expect(records.size() == written, "audit");
    for (const AuditRecord& record : records) {
      Memory memory;
      memory.payload = record.payload;
      expect(record.action == "link" || own(memory), "audit");
    }
    std::ostringstream lines;
    expect(memory_.export_memories(lines).value() == written, "export");
    const std::string text = lines.str(), mark = fmt::format(R"("owner":"{}")", tenant_);
    std::size_t owners = 0, own = 0;
    for (std::size_t at = 0; (at = text.find(R"("owner":")", at)) != text.npos; ++at) {
      ++owners;
      own += text.compare(at, mark.size(), mark) == 0 ? 1 : 0;
    }
    expect(owners == wanted_ && own == wanted_, "export");
  }

  const FractalMemory memory_;
  const std::size_t tenant_, wanted_;
  std::vector<std::string> faults_{};
};

template <class Work> void for_each_tenant(const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < threads_at_once; ++i) {
    threads.emplace_back([&] {
      for (std::size_t tenant = next++; tenant < tenants; tenant = next++) work(tenant);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::vector<std::string> glance_at_all(const FractalMemory& memory) {
  std::vector<std::vector<std::string>> faults(tenants);
  for_each_tenant([&](std::size_t tenant) { faults[tenant] = Glance(memory.in(space_of(tenant)), tenant).faults(); });
  std::vector<std::string> all;
  for (const auto& some : faults) all.insert(all.end(), some.begin(), some.end());
  return all;
}

}  // namespace

TEST_CASE("100 tenants that write at once see their own alone") {
  const testing::OwnSchema schema;
  const FractalMemory memory = open(schema);
  std::vector<std::string> answers(tenants);
  for_each_tenant([&](std::size_t tenant) {
    const auto applied = memory.in(space_of(tenant)).apply(writes_of(tenant));
    if (!applied) answers[tenant] = applied.error().message;
  });
  CHECK(answers == std::vector<std::string>(tenants));
  CHECK(glance_at_all(memory) == std::vector<std::string>{});
  CHECK(memory.spaces().value().size() == tenants);

  // One goes: the others lose nothing.
  CHECK(memory.in(space_of(7)).erase_space().value() == static_cast<std::uint64_t>(memories_of(7)));
  CHECK(memory.in(space_of(7)).changes(0).value().empty());
  CHECK(memory.in(space_of(7)).search("rivers").value().matched == 0);
  memory.in(space_of(7)).apply(writes_of(7)).value();
  CHECK(glance_at_all(memory) == std::vector<std::string>{});
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("a graph outlives the program that wrote it, and the way through it is found") {
  const testing::OwnSchema schema;
  const Space space{.tenant = "alice", .name = "travels"};
  {
    const FractalMemory memory = open(schema).in(space);
    Batch batch;
    for (int town = 0; town < 30; ++town) {
      batch.store({.coordinate = {static_cast<double>(town)}, .payload = fmt::format(R"({{"text":"town {}"}})", town)});
      if (town > 0) {
        batch.link({.from = {static_cast<double>(town - 1)},
                    .to = {static_cast<double>(town)},
                    .type = "road",
                    .strength = 2,
                    .metadata = fmt::format(R"({{"km": {}}})", town)});
      }
    }
    batch.link({.from = {0}, .to = {20}, .type = "rail", .strength = 0.01});
    memory.apply(batch).value();
  }
  const FractalMemory memory = open(schema).in(space);
  CHECK(memory.stats().value().links == 30);
  const auto shortest = memory.path({0}, {22}).value();
  REQUIRE(shortest.size() == 3);
  CHECK(shortest[0].type == "rail");
  CHECK(shortest[2].to == Coordinate{22});
  CHECK(shortest[2].metadata == R"({"km": 22})");
  const auto by_road = memory.path({0}, {22}, {.max_hops = 64, .weighted = true}).value();
  CHECK(by_road.size() == 22);
  CHECK(memory.path({0}, {22}, {.max_hops = 64, .type = "road"}).value() == by_road);
  CHECK(memory.path({22}, {0}).error().code == Errc::not_found);
  const auto near = memory.neighbors({5}, {.hops = 2, .direction = Direction::both, .type = "road"}).value();
  CHECK(near.size() == 4);
  CHECK(memory.reach({0}, {.hops = 64}).value().size() == 19);
}
