// What the service, or any other program, writes by plain SQL into tables that are ours is a memory or link at once, and
// found by its text and meaning soon after.
#include "tests/engine/bag_embedder.h"
#include "tests/postgres/fresh_schema.h"
#include "tests/postgres/service_database.h"
#include "tests/seeded_random.h"

#include "src/json.h"

#include <fractal/postgres.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>
#include <thread>

namespace fractal {
namespace {

using engine::text;
using testing::at;
using testing::service_link;
using testing::service_store;
using testing::SqlSession;

const Space soma{.tenant = "standalone", .name = "standalone_memory"};
const Space other{.tenant = "standalone", .name = "other"};

// Nobody tells it what others write: it looks at open() and maintain().
struct Deaf final : StorageWrapper {
  using StorageWrapper::StorageWrapper;
  std::shared_ptr<void> listen(const ChangeListener&) override { return nullptr; }
};

struct World {
  explicit World(std::shared_ptr<Embedder> embedder = engine::drink_bag(), std::vector<std::string> indexed = {}) {
    PostgresOptions on;
    on.url = url;
    on.durability = Durability::off;
    adopt_postgres(on, {.dry_run = false}).value();
    storage = std::make_shared<Deaf>(open_postgres_storage(on).value());
    Options options{.space = soma, .embedder = std::move(embedder), .storage = storage};
    options.indexed_fields = std::move(indexed);
    memory = std::make_unique<FractalMemory>(FractalMemory::open(options).value());
  }
  std::vector<Coordinate> found(std::string_view words, SearchMode mode = SearchMode::keyword) const {
    std::vector<Coordinate> coordinates;
    for (const auto& hit : memory->search(words, {.mode = mode}).value().hits) {
      coordinates.push_back(hit.memory.coordinate);
    }
    return coordinates;
  }
  // "stored 1.0" and the like, from `after` on.
  std::vector<std::string> changes(std::uint64_t after) const {
    std::vector<std::string> all;
    for (const Change& change : memory->changes(after).value()) {
      const std::string to = change.to.empty() ? "" : fmt::format(" -{}-> {}", change.type, change.to.to_string());
      all.push_back(fmt::format("{} {} {}{}", change.sequence - after, to_string(change.kind),
                                change.coordinate.to_string(), to));
    }
    return all;
  }
  std::uint64_t sequence() const { return memory->stats().value().sequence; }
  void sound() const { CHECK(memory->verify().value().problems == std::vector<std::string>{}); }

  std::string url = testing::fresh_service_url();
  SqlSession sql{url};
  std::shared_ptr<Storage> storage{};
  std::unique_ptr<FractalMemory> memory{};
};

using Coordinates = std::vector<Coordinate>;
using Lines = std::vector<std::string>;

TEST_CASE("another program's memory is there at its commit, and found by text and meaning once it is indexed") {
  World world;
  world.sql.run("BEGIN");
  world.sql.run(service_store(soma, {1, -2}, text("a cup of tea")));
  CHECK(world.memory->retrieve({1, -2}).error().code == Errc::not_found);
  world.sql.run("COMMIT");
  const Memory there = world.memory->retrieve({1, -2}).value();
  CHECK(there.payload == text("a cup of tea"));
  CHECK(there.version == 1);
  CHECK(there.id.to_string() == world.sql.one("SELECT id FROM sfm_memories"));
  CHECK(there.created_at == there.updated_at);
  CHECK(to_string(there.created_at).substr(0, 19) ==
        world.sql.one("SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM sfm_memories"));
  CHECK(world.changes(0) == Lines{"1 stored 1.0,-2.0"});
  CHECK(world.found("tea").empty());
  world.sound();
  CHECK(world.memory->maintain().value().indexed == 1);
  CHECK(world.memory->retrieve({1, -2}).value().version == 1);
  CHECK(world.changes(0) == Lines{"2 stored 1.0,-2.0"});
  CHECK(world.found("tea") == Coordinates{{1, -2}});
  CHECK(world.found("cup", SearchMode::vector) == Coordinates{{1, -2}});
  CHECK(world.memory->maintain().value().indexed == 0);
  world.sound();
}

TEST_CASE("a change of the payload takes the old words, vector and field values along; other changes do not") {
  World world(engine::drink_bag(), {"year"});
  world.memory->store({.coordinate = {1}, .payload = R"({"text": "tea", "year": 1990})"}).value();
  world.memory->store({.coordinate = {2}, .payload = text("coffee")}).value();
  const std::uint64_t before = world.sequence();
  world.sql.run("UPDATE sfm_memories SET payload = '{\"text\": \"kettle\", \"year\": 2026}', updated_at = now() " +
                at(soma, {1}));
  CHECK(world.memory->retrieve({1}).value().version == 2);
  CHECK(world.changes(before) == Lines{"1 stored 1.0"});
  CHECK(world.found("tea").empty());
  CHECK(world.found("coffee", SearchMode::vector) == Coordinates{{2}});
  CHECK(world.memory->stats().value().vectors == 1);
  // The filter's index does not have its year yet: it is looked at.
  const auto near = [&](int year) {
    return world.memory->near({1.5}, {.filter = Filter::eq("year", year)}).value().size();
  };
  CHECK(near(2026) == 1);
  CHECK(near(1990) == 0);
  CHECK(world.memory->near({1.5}, {.filter = !Filter::eq("year", 1990)}).value().size() == 2);
  world.sound();
  world.memory->maintain().value();
  CHECK(world.found("kettle") == Coordinates{{1}});
  CHECK(near(2026) == 1);
  world.sound();

  const std::uint64_t then = world.sequence();
  world.sql.run("UPDATE sfm_memories SET importance = 2.5, memory_type = 'semantic', metadata = '{\"by\": \"soma\"}' " +
                at(soma, {1}));
  const Memory changed = world.memory->retrieve({1}).value();
  CHECK(changed.importance == 2.5);
  CHECK(changed.type == MemoryType::semantic);
  CHECK(changed.metadata == R"({"by": "soma"})");
  CHECK(changed.version == 3);
  CHECK(world.sequence() == then + 1);
  CHECK(world.found("kettle") == Coordinates{{1}});
  CHECK(world.memory->stats().value().semantic == 1);
  CHECK(world.memory->maintain().value().indexed == 0);
  world.sound();
}

TEST_CASE("a type or a time that another program changes is told of with the vector beside it") {
  World world;
  world.memory->store({.coordinate = {1}, .payload = text("tea")}).value();
  const auto told_after = [&](std::uint64_t sequence) {
    Lines lines;
    const auto view = world.storage->read(soma).value();
    const auto visit = [&](const VectorChange& change) {
      lines.push_back(fmt::format("{} {} {}", to_string(change.fields.type),
                                  change.fields.created_at.time_since_epoch().count(), !change.vector.empty()));
      return true;
    };
    view->vectors(sequence, VectorColumns::fields, visit).value();
    return lines;
  };
  const std::int64_t created_at = world.memory->retrieve({1}).value().created_at.time_since_epoch().count();
  std::uint64_t before = world.sequence();
  world.sql.run("UPDATE sfm_memories SET importance = 2 " + at(soma, {1}));
  CHECK(told_after(before).empty());
  world.sql.run("UPDATE sfm_memories SET memory_type = 'semantic' " + at(soma, {1}));
  CHECK(told_after(before) == Lines{fmt::format("semantic {} true", created_at)});
  before = world.sequence();
  world.sql.run("UPDATE sfm_memories SET created_at = created_at - interval '1 second' " + at(soma, {1}));
  CHECK(told_after(before) == Lines{fmt::format("semantic {} true", created_at - 1'000'000)});
  CHECK(world.found("tea", SearchMode::vector) == Coordinates{{1}});
  world.sound();
}

TEST_CASE("the texts that we keep stay as they were sent where another program changes something else") {
  World world;
  const std::string payload = "{ \"b\":1,  \"a\" : 1.0e2, \"text\": \"tea\" }";
  world.memory->store({.coordinate = {1}, .payload = payload}).value();
  world.sql.run("UPDATE sfm_memories SET importance = 1 " + at(soma, {1}));
  CHECK(world.memory->retrieve({1}).value().payload == payload);
  CHECK(world.found("tea") == Coordinates{{1}});
  world.sql.run("UPDATE sfm_memories SET payload = payload || '{\"c\": 2}' " + at(soma, {1}));
  CHECK(world.memory->retrieve({1}).value().payload == R"({"a": 100, "b": 1, "c": 2, "text": "tea"})");
  world.sound();
}

TEST_CASE("what reads of the service count is no change") {
  World world;
  world.sql.run(service_store(soma, {1}, text("tea")));
  const std::uint64_t before = world.sequence();
  world.sql.run("UPDATE sfm_memories SET access_count = access_count + 3, last_accessed = now(), updated_at = now() " +
                at(soma, {1}));
  const Memory read = world.memory->retrieve({1}).value();
  CHECK(read.accesses == 3);
  CHECK(read.version == 1);
  CHECK(world.sequence() == before);
}

TEST_CASE("a memory that goes takes its links along") {
  World world;
  for (const double x : {1, 2, 3}) world.sql.run(service_store(soma, {x}, text("tea")));
  world.memory->maintain().value();
  world.sql.run(service_link(soma, {1}, {2}, "related"));
  world.sql.run(service_link(soma, {3}, {1}, "knows"));
  world.sql.run(service_link(soma, {2}, {3}, "related"));
  world.memory->link({.from = {1}, .to = {1}, .type = "self"}).value();
  CHECK(world.memory->neighbors({1}, {.direction = Direction::both}).value().size() == 2);
  const std::uint64_t before = world.sequence();
  world.sql.run("DELETE FROM sfm_memories " + at(soma, {1}));
  CHECK(world.changes(before) == Lines{"1 unlinked 1.0 -related-> 2.0", "2 unlinked 1.0 -self-> 1.0",
                                       "3 unlinked 3.0 -knows-> 1.0", "4 removed 1.0"});
  CHECK(world.memory->retrieve({1}).error().code == Errc::not_found);
  CHECK(world.found("tea", SearchMode::vector) == Coordinates{{2}, {3}});
  CHECK(world.memory->neighbors({2}, {.direction = Direction::both}).value().size() == 1);
  world.sound();
  // All of them in one statement, and one of the library's between.
  world.memory->store({.coordinate = {4}, .payload = text("coffee")}).value();
  world.sql.run("DELETE FROM sfm_memories");
  CHECK(world.memory->stats().value().memories == 0);
  CHECK(world.memory->stats().value().links == 0);
  CHECK(world.memory->stats().value().dimension == 0);
  world.sound();
}

TEST_CASE("links of another program are walked, changed, renamed and removed") {
  World world;
  world.sql.run(service_link(soma, {1}, {2}, "related"));
  CHECK(world.memory->neighbors({1}).value()[0].link.strength == 1);
  world.sql.run("UPDATE sfm_graph_links SET strength = 0.25, metadata = '{\"why\": 1}'");
  const auto near = world.memory->neighbors({1}).value();
  CHECK(near[0].link.strength == 0.25);
  const std::uint64_t before = world.sequence();
  world.sql.run("UPDATE sfm_graph_links SET link_type = 'knows'");
  CHECK(world.changes(before) == Lines{"1 unlinked 1.0 -related-> 2.0", "2 linked 1.0 -knows-> 2.0"});
  CHECK(world.memory->stats().value().links == 1);
  world.sql.run("UPDATE sfm_graph_links SET strength = 'NaN'");
  CHECK(world.memory->neighbors({1}).value().empty());
  world.sound();
  world.sql.run("UPDATE sfm_graph_links SET strength = 3");
  CHECK(world.memory->neighbors({1}).value().size() == 1);
  world.sql.run("DELETE FROM sfm_graph_links");
  CHECK(world.memory->neighbors({1}).value().empty());
  CHECK(world.memory->stats().value().links == 0);
  world.sound();
}

TEST_CASE("a memory that moves is removed there and stored here") {
  World world;
  world.sql.run(service_store(soma, {1}, text("tea")));
  world.sql.run(service_link(soma, {1}, {2}, "related"));
  world.memory->maintain().value();
  const std::uint64_t before = world.sequence();
  world.sql.run("UPDATE sfm_memories SET namespace = 'other' " + at(soma, {1}));
  CHECK(world.changes(before) == Lines{"1 unlinked 1.0 -related-> 2.0", "2 removed 1.0"});
  CHECK(world.memory->in(other).retrieve({1}).value().version == 1);
  world.sql.run("UPDATE sfm_memories SET coordinate = '{5,6}', coordinate_key = '5.0,6.0' " + at(other, {1}));
  CHECK(world.memory->in(other).retrieve({5, 6}));
  CHECK(world.memory->in(other).stats().value().memories == 1);
  CHECK(world.memory->stats().value().memories == 0);
  world.memory->maintain().value();
  CHECK(world.memory->in(other).search("tea", {.mode = SearchMode::keyword}).value().hits.size() == 1);
  world.sound();
}

TEST_CASE("what cannot be a memory does not disturb the program that writes it, and is told of") {
  World world;
  world.sql.run(service_store(soma, {1}, text("tea")));
  const std::uint64_t before = world.sequence();
  world.sql.run(service_store(soma, {2}, "[1, 2]"));
  world.sql.run(service_store(soma, {std::numeric_limits<double>::quiet_NaN()}, "{}"));
  world.sql.run(service_store({.tenant = std::string(255, 'x'), .name = ""}, {1}, "{}"));
  CHECK(world.sequence() == before);
  CHECK(world.memory->list().value().memories.size() == 1);
  REQUIRE(world.storage->problems().size() == 1);
  CHECK(world.storage->problems()[0].find("3 rows of sfm_memories are no memories") == 0);
  // What was one and is none any more is removed; and it comes back.
  world.sql.run("UPDATE sfm_memories SET payload = '7' " + at(soma, {1}));
  CHECK(world.changes(before) == Lines{"1 removed 1.0"});
  world.sql.run("UPDATE sfm_memories SET payload = '{\"text\": \"coffee\"}' " + at(soma, {1}));
  world.sql.run("UPDATE sfm_memories SET payload = '{\"text\": \"coffee\"}' " + at(soma, {2}));
  world.memory->maintain().value();
  CHECK(world.found("coffee") == Coordinates{{1}, {2}});
  world.sound();
}

TEST_CASE("-0 is 0: the first row keeps the place, and repair gives it to the next one once it is free") {
  World world;
  world.sql.run(service_store(soma, {0}, text("tea")));
  world.sql.run(
      "INSERT INTO sfm_memories SELECT gen_random_uuid(), namespace, '{-0}', '-0.0', memory_type, "
      "'{\"text\": \"coffee\"}', metadata, tenant, importance, access_count, NULL, created_at, updated_at FROM "
      "sfm_memories");
  CHECK(world.memory->retrieve({0}).value().payload == text("tea"));
  CHECK(world.memory->stats().value().memories == 1);
  CHECK(world.storage->problems()[0].find("another memory has its coordinate") != std::string::npos);
  CHECK(world.memory->remove({0}).value());
  CHECK(!world.memory->retrieve({0}));
  world.memory->repair().value();
  CHECK(world.memory->retrieve({0}).value().payload == text("coffee"));
  CHECK(world.storage->problems().empty());
  world.sound();
}

TEST_CASE("ON CONFLICT is what it turned out to be; what is rolled back was never there") {
  World world;
  const std::string update =
      "ON CONFLICT (namespace, coordinate_key, tenant) DO UPDATE SET payload = excluded.payload, updated_at = now()";
  world.sql.run(service_store(soma, {1}, text("tea"), update));
  world.sql.run(service_store(soma, {1}, text("coffee"), update));
  CHECK(world.memory->retrieve({1}).value().version == 2);
  CHECK(world.sequence() == 2);
  world.sql.run(service_store(soma, {1}, text("kettle"), "ON CONFLICT DO NOTHING"));
  CHECK(world.sequence() == 2);
  CHECK(world.sql.attempt(service_store(soma, {1}, text("kettle"))) == "23505");
  world.sql.run("BEGIN");
  world.sql.run(service_store(soma, {2}, text("tea")));
  world.sql.run("SAVEPOINT s");
  world.sql.run("DELETE FROM sfm_memories");
  world.sql.run("ROLLBACK TO s");
  world.sql.run(service_link(soma, {1}, {2}, "related"));
  world.sql.run("ROLLBACK");
  CHECK(world.sequence() == 2);
  world.sql.run("BEGIN");
  world.sql.run(service_store(soma, {3}, text("tea")));
  world.sql.run("DELETE FROM sfm_memories " + at(soma, {3}));
  world.sql.run("COMMIT");
  CHECK(world.memory->list().value().memories.size() == 1);
  world.memory->maintain().value();
  CHECK(world.found("coffee") == Coordinates{{1}});
  world.sound();
}

TEST_CASE("many rows in one statement, for many spaces") {
  World world;
  world.sql.run(
      "INSERT INTO sfm_memories SELECT gen_random_uuid(), 'n' || i % 3, ARRAY[i], i || '.0', 'episodic', "
      "jsonb_build_object('text', 'cup ' || i), '{}', 't', 0, 0, NULL, now(), now() FROM "
      "generate_series(1, 3000) AS i");
  world.sql.run("UPDATE sfm_memories SET importance = importance + 1");
  world.sql.run("DELETE FROM sfm_memories WHERE coordinate[1] > 1500");
  for (const char* name : {"n0", "n1", "n2"}) {
    const auto space = world.memory->in({.tenant = "t", .name = name});
    CHECK(space.stats().value().memories == 500);
    CHECK(space.stats().value().sequence == 2'500);
  }
  CHECK(world.memory->maintain().value().indexed == 1'500);
  CHECK(world.memory->in({.tenant = "t", .name = "n1"}).search("cup").value().matched == 500);
  world.sound();
}

TEST_CASE("our own writes to a memory that is not indexed yet") {
  const auto bag = engine::drink_bag();
  World world(bag);
  for (const double x : {1, 2, 3, 4}) world.sql.run(service_store(soma, {x}, text("a cup of tea")));
  world.memory->update({1}, {.payload = R"({"year": 2026})"}).value();  // its text is the same
  world.memory->update({2}, {.importance = 1.0}).value();
  world.memory->store({.coordinate = {3}, .payload = text("coffee")}).value();
  world.memory->remove({4}).value();
  CHECK(world.found("tea") == Coordinates{{1}});
  CHECK(world.found("cup", SearchMode::vector) == Coordinates{{1}, {3}});
  CHECK(world.storage->count_unindexed().value() == 1);
  world.sound();
  CHECK(world.memory->maintain().value().indexed == 1);
  CHECK(world.found("tea") == Coordinates{{1}, {2}});
  world.sound();
  // A vector that a caller gave meanwhile stays.
  world.sql.run(service_store(soma, {5}, text("kettle")));
  world.memory->update({5}, {.embedding = std::vector<float>{1, 1, 0, 0}}).value();
  world.memory->maintain().value();
  CHECK(world.memory->retrieve({5}).value().embedding == std::vector<float>{1, 1, 0, 0});
  CHECK(world.found("kettle") == Coordinates{{5}});
  world.sound();
}

TEST_CASE("an embedder that is away keeps nobody from opening; health tells, and it is done later") {
  const auto bag = engine::drink_bag();
  World world(bag);
  world.sql.run(service_store(soma, {1}, text("tea")));
  bag->fail = true;
  const FractalMemory opened = FractalMemory::open({.space = soma, .embedder = bag, .storage = world.storage}).value();
  CHECK(opened.retrieve({1}));
  REQUIRE(opened.health().value().problems.size() == 1);
  CHECK(opened.health().value().problems[0].find("the embedder is away") != std::string::npos);
  CHECK(opened.maintain().error().code == Errc::unavailable);
  bag->fail = false;
  CHECK(opened.maintain().value().indexed == 1);
  CHECK(opened.health().value().ok);
}

TEST_CASE("rows of a space that another embedder made wait for who has it") {
  World world;
  world.memory->store({.coordinate = {1}, .payload = text("tea")}).value();
  world.sql.run(service_store(soma, {2}, text("coffee")));
  world.sql.run(service_store(other, {1}, text("harbour")));
  const FractalMemory elsewhere =
      FractalMemory::open({.space = soma, .embedder = engine::place_bag(), .storage = world.storage}).value();
  CHECK(world.storage->count_unindexed().value() == 1);
  CHECK(elsewhere.in(other).stats().value().vectors == 1);
  FractalMemory::open({.space = soma, .embedder = nullptr, .storage = world.storage}).value();
  CHECK(world.storage->count_unindexed().value() == 1);
  CHECK(world.memory->maintain().value().indexed == 1);
  CHECK(world.found("coffee", SearchMode::vector) == Coordinates{{2}, {1}});
  world.sound();
}

TEST_CASE("the texts may change while they are embedded") {
  const auto bag = engine::drink_bag();
  World world(bag);
  world.sql.run(service_store(soma, {1}, text("tea")));
  world.sql.run(service_store(soma, {2}, text("tea")));
  int times = 0;
  bag->before = [&] {
    if (times++ != 0) return;
    world.sql.run("UPDATE sfm_memories SET payload = '{\"text\": \"coffee\"}' " + at(soma, {1}));
    world.sql.run("DELETE FROM sfm_memories " + at(soma, {2}));
  };
  CHECK(world.memory->maintain().value().indexed == 1);
  CHECK(times == 2);
  CHECK(world.memory->retrieve({1}).value().embedding == std::vector<float>{0, 1, 0, 0});
  world.sound();
}

TEST_CASE("a namespace's row of the service is the space's; with memories it stays") {
  World world;
  world.sql.run(
      "INSERT INTO sfm_namespaces SELECT gen_random_uuid(), 'other', 'standalone', 'mine', '{}', 0, 0, 0, now(), "
      "now()");
  world.memory->in(other).store({.coordinate = {1}, .payload = "{}"}).value();
  world.sql.run(service_store(other, {2}, "{}"));
  CHECK(world.sql.one("SELECT description || ' ' || fm_memories FROM sfm_namespaces WHERE name = 'other'") == "mine 2");
  CHECK(world.sql.attempt("DELETE FROM sfm_namespaces WHERE name = 'other'") == "23503");
  world.sql.run("DELETE FROM sfm_memories WHERE namespace = 'other'");
  CHECK(world.sql.attempt("DELETE FROM sfm_namespaces WHERE name = 'other'") == "");
  world.memory->in(other).store({.coordinate = {1}, .payload = "{}"}).value();
  CHECK(world.memory->in(other).erase_space().value() == 1);
  world.sound();
}

TEST_CASE("whoever may write to the service's tables needs no right on ours") {
  World world;
  const std::string role = fmt::format("service_{}", world.sql.one("SELECT pg_backend_pid()"));
  world.sql.run(
      fmt::format("CREATE ROLE {0}; GRANT USAGE ON SCHEMA \"{1}\" TO {0}; GRANT SELECT, INSERT, UPDATE, DELETE ON "
                  "sfm_memories, sfm_graph_links TO {0}; SET ROLE {0}; SET search_path = pg_catalog",
                  role, world.sql.one("SELECT current_schema()")));
  const std::string schema = world.sql.one(
      "SELECT nspname FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = "
      "n.oid WHERE c.oid = (SELECT tgrelid FROM pg_trigger WHERE tgname = 'fm_accessed' "
      "ORDER BY oid DESC LIMIT 1)");
  std::string store = service_store(soma, {1}, text("tea"));
  store.insert(store.find("sfm_memories"), '"' + schema + "\".");
  CHECK(world.sql.attempt(store) == "");
  CHECK(world.sql.attempt("SELECT FROM \"" + schema + "\".sfm_keywords") == "42501");
  world.sql.run(fmt::format("RESET ROLE; RESET search_path; DROP OWNED BY {0}; DROP ROLE {0}", role));
  CHECK(world.memory->retrieve({1}));
  world.sound();
}

TEST_CASE("a program that is told of it indexes what others write") {
  World world;
  PostgresOptions on;
  on.url = world.url;
  const FractalMemory live =
      FractalMemory::open(
          {.space = soma, .embedder = engine::drink_bag(), .storage = open_postgres_storage(on).value()})
          .value();
  world.sql.run(service_store(soma, {1}, text("tea")));
  bool found = false;
  for (int tries = 0; tries < 2'000 && !found; ++tries) {
    found = live.search("tea", {.mode = SearchMode::keyword}).value().hits.size() == 1;
    if (!found) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(found);
  world.sound();
}

// ---- What the server computes is what the core does ----

double any_double(testing::Random& random) {
  switch (random.below(5)) {
    case 0: return static_cast<double>(random.below(2'000)) - 1'000;
    case 1: return (static_cast<double>(random.below(2'000)) - 1'000) / 8;
    case 2: return std::ldexp(static_cast<double>(random.next() >> 11), static_cast<int>(random.below(130)) - 65);
    case 3: return (random.coin() ? -1 : 1) * std::pow(10, static_cast<double>(random.below(40)) - 20);
    default: return std::bit_cast<double>(random.next());
  }
}

TEST_CASE("keys and the limits of coordinates are the core's") {
  testing::Random random(testing::announced_seed("postgres_foreign_rows: coordinates"));
  World world;
  for (int round = 0; round < 20; ++round) {
    std::string sql = "SELECT encode(fm_key(c), 'hex'), fm_coordinate_problem('it', c) IS NULL FROM (VALUES ";
    std::vector<Coordinate> coordinates;
    for (int i = 0; i < 100; ++i) {
      std::vector<double> components(1 + random.below(random.one_in(3) ? 130 : 40));
      for (double& component : components) component = any_double(random);
      coordinates.emplace_back(components);
      sql += fmt::format("{}({}, '{{", i == 0 ? "" : ", ", i);
      for (std::size_t k = 0; k < components.size(); ++k) {
        sql += fmt::format("{}{}", k == 0 ? "" : ",",
                           std::isnan(components[k])   ? "NaN"
                           : std::isinf(components[k]) ? (components[k] < 0 ? "-Infinity" : "Infinity")
                                                       : fmt::format("{}", components[k]));
      }
      sql += "}'::double precision[])";
    }
    const auto rows = world.sql.ask(sql + ") AS v(n, c) ORDER BY n");
    for (std::size_t i = 0; i < coordinates.size(); ++i) {
      const bool good = coordinates[i].check().has_value();
      CHECK_MESSAGE(rows[i][1] == (good ? "t" : "f"), coordinates[i].to_string());
      if (!good) continue;
      std::string hex;
      for (const char byte : coordinates[i].key()) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      CHECK_MESSAGE(rows[i][0] == hex, coordinates[i].to_string());
    }
  }
}

// In the middle between two doubles, to 54 bits: the server's own text has more digits than need be.
double any_tie(testing::Random& random) {
  const std::uint64_t zeros = random.below(24);
  std::uint64_t fives = 1;
  for (std::uint64_t i = 0; i < zeros; ++i) fives *= 5;
  const std::uint64_t least = (std::uint64_t{1} << 53) / fives + 1, digits = (least + random.below(least)) | 1;
  return std::stod(fmt::format("{}e{}", digits << random.below(10), zeros));
}

TEST_CASE("a number is as long as the core writes it") {
  testing::Random random(testing::announced_seed("postgres_foreign_rows: lengths"));
  World world;
  std::vector<double> numbers{0, 1e15, 1e16, 1e22, 1e23, 1e39, 1e40, 1.779063078629868e+17, 9007199254740992.0, 5e-324};
  for (int i = 0; i < 3'000; ++i) numbers.push_back(any_tie(random));
  for (int i = 0; i < 3'000; ++i) {
    const double one = any_double(random);
    if (std::isfinite(one)) numbers.push_back(one);
  }
  std::string sql = "SELECT fm_number_length(x), fm_number_length(-x) FROM (VALUES ";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    sql += fmt::format("{}({}, '{}'::float8)", i == 0 ? "" : ", ", i, numbers[i]);
  }
  const auto rows = world.sql.ask(sql + ") AS v(n, x) ORDER BY n");
  REQUIRE(rows.size() == numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::string core = Coordinate{numbers[i]}.to_string();
    CHECK_MESSAGE(rows[i][0] == std::to_string(core.size()), core);
    CHECK_MESSAGE(rows[i][1] == std::to_string(Coordinate{-numbers[i]}.to_string().size()), core);
  }
}

TEST_CASE("what is refused of JSON is what the core refuses") {
  World world;
  const auto nested = [](std::size_t levels, const std::string& open, const std::string& close) {
    std::string json = "{\"a\": ";
    for (std::size_t i = 1; i < levels; ++i) json += open;
    json += "1";
    for (std::size_t i = 1; i < levels; ++i) json += close;
    return json + "}";
  };
  const std::string long_text(400, '7'), brackets(600, '[');
  for (const std::string& json : std::vector<std::string>{
           "{}", "[]", "1", "null", "{\"a\": 1e308}", "{\"a\": 1e309}", "{\"a\": -1e309}", "{\"a\": 1e-400}",
           "{\"a\": 1.7976931348623157e308}", "{\"a\": 1.7976931348623159e308}", "{\"a\": [[" + long_text + "]]}",
           "{\"a\": \"" + long_text + "\", \"b\": \"" + brackets + "\"}", "{\"" + long_text + "\": 1}",
           nested(512, "[", "]"), nested(513, "[", "]"), nested(512, "{\"b\": ", "}"), nested(513, "{\"b\": ", "}"),
           "{\"a\": \"" + brackets + "\", \"b\": [{}, [], {\"c\": [[]]}]}"}) {
    const auto row = world.sql.ask("SELECT j::text, fm_json_problem('it', j, 16777216) IS NULL FROM (SELECT '" + json +
                                   "'::jsonb) AS t(j)")[0];
    CHECK_MESSAGE(json::check_object(row[0], "it").has_value() == (row[1] == "t"), json.substr(0, 60));
  }
  CHECK(world.sql.one("SELECT fm_json_problem('it', jsonb_build_object('a', repeat('x', 1000)), 1000) IS NULL") == "f");
}

}  // namespace
}  // namespace fractal
