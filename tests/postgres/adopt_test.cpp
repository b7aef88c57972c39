// adopt_postgres() on a database of the service: what it tells, what it does, what it leaves alone.
#include "tests/postgres/fresh_schema.h"
#include "tests/postgres/service_database.h"

#include <fractal/embedder.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>

namespace fractal {
namespace {

using testing::SqlSession;

const Space soma{.tenant = "standalone", .name = "standalone_memory"};
const Space alice{.tenant = "alice", .name = "notes"};

PostgresOptions on(const std::string& url) {
  PostgresOptions options;
  options.url = url;
  options.durability = Durability::off;
  return options;
}

std::string text(std::string_view words) { return fmt::format(R"({{"text": "{}"}})", words); }

// Rows as the service writes them, and some that cannot be memories or links.
std::string filled_service() {
  const std::string url = testing::fresh_service_url();
  SqlSession sql(url);
  sql.run("BEGIN");
  sql.run(testing::service_store(soma, {1}, text("Ada likes green tea")));
  sql.run(testing::service_store(soma, {2}, text("The refrigerator hums at night")));
  sql.run(testing::service_store(soma, {2, -0.5, 1e-7}, R"({"text": "a deep one", "n": 1e-400, "big": 1e300})"));
  sql.run(testing::service_store(alice, {1, 1}, text("The boat needs paint")));
  sql.run(testing::service_store(alice, {3}, text("O'Hara''s $1 \\\\ unicode \\u00e9 猫")));
  sql.run(testing::service_link(soma, {1}, {2}, "related"));
  sql.run(testing::service_link(soma, {2}, {9}, "knows"));
  sql.run(testing::service_link(alice, {1, 1}, {3}, "related"));
  sql.run(
      "INSERT INTO sfm_namespaces SELECT gen_random_uuid(), 'standalone_memory', 'standalone', '', '{}', 3, 3, 0, "
      "now(), now()");
  sql.run(
      "INSERT INTO sfm_vector_embeddings SELECT gen_random_uuid(), 'soma', 7, 768, 'codebert', now(), id "
      "FROM sfm_memories");
  sql.run(
      "INSERT INTO sfm_audit_log SELECT gen_random_uuid(), 'create', namespace, coordinate_key, tenant, '', NULL, "
      "'{}', now() FROM sfm_memories");
  sql.run("COMMIT");
  return url;
}

void spoil(SqlSession& sql) {
  const auto with = [&](const Coordinate& coordinate, const std::string& change) {
    sql.run(testing::service_store(soma, coordinate, "{}"));
    sql.run("UPDATE sfm_memories SET " + change + " " + testing::at(soma, coordinate));
  };
  sql.run(testing::service_store(soma, {0}, "{}"));
  with({100}, "coordinate = '{-0}', coordinate_key = '-0.0', created_at = now() + interval '1 hour'");
  with({101}, "coordinate = '{1,NaN}'");
  with({102}, "coordinate = '{Infinity}'");
  with({103}, "coordinate = '{}'");
  with({104}, "payload = '[1]'");
  with({105}, "payload = ('{\"n\": 1' || repeat('0', 400) || '}')::jsonb");
  with({106}, "payload = (repeat('{\"a\":', 600) || '1' || repeat('}', 600))::jsonb");
  with({107}, "importance = 'NaN'");
  with({108}, "memory_type = 'procedural'");
  with({109}, "created_at = '1969-12-31 23:59:59+00'");
  with({110}, "coordinate = (SELECT array_agg(1e-300 * i) FROM generate_series(1, 80) AS i)");
  sql.run(testing::service_link(soma, {1}, {3}, "odd"));
  sql.run("UPDATE sfm_graph_links SET strength = 'Infinity' WHERE link_type = 'odd'");
}

// Nobody tells it what others write.
struct Deaf final : StorageWrapper {
  using StorageWrapper::StorageWrapper;
  std::shared_ptr<void> listen(const ChangeListener&) override { return nullptr; }
};

// What a database is, but for the order of its rows.
std::vector<std::vector<std::string>> everything(SqlSession& sql) {
  auto all = sql.ask(
      "SELECT 'column', table_name, column_name, data_type || is_nullable || coalesce(column_default, '') FROM "
      "information_schema.columns WHERE table_schema = current_schema() UNION ALL "
      "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() UNION ALL "
      "SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE "
      "connamespace = current_schema()::regnamespace UNION ALL "
      "SELECT 'function', proname, '', '' FROM pg_proc WHERE pronamespace = current_schema()::regnamespace UNION ALL "
      "SELECT 'trigger', tgrelid::regclass::text, tgname, '' FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = "
      "tgrelid "
      "WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace UNION ALL "
      "SELECT 'type', typname, '', '' FROM pg_type WHERE typnamespace = current_schema()::regnamespace");
  for (const char* table :
       {"sfm_memories", "sfm_graph_links", "sfm_namespaces", "sfm_vector_embeddings", "sfm_audit_log"}) {
    all.push_back(
        {"rows", table, sql.one(fmt::format("SELECT md5(string_agg(t::text, ' ' ORDER BY id)) FROM {} AS t", table))});
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string reasons(const AdoptReport& report) {
  std::string all;
  for (const auto& one : report.refused) all += fmt::format("{} {}: {}\n", one.rows, one.table, one.reason);
  return all;
}

const char* const all_reasons =
    "1 sfm_memories: another memory has its coordinate\n"
    "1 sfm_memories: created_at lies outside the years 1970 to 9999\n"
    "1 sfm_memories: its coordinate has more than 512 characters\n"
    "2 sfm_memories: its coordinate has a component that is no finite number\n"
    "1 sfm_memories: its coordinate is empty, or no list\n"
    "1 sfm_memories: its importance is no finite number\n"
    "1 sfm_memories: its payload has a number beyond a double\n"
    "1 sfm_memories: its payload is nested deeper than 512 levels\n"
    "1 sfm_memories: its payload is no JSON object\n"
    "1 sfm_memories: its type is neither episodic nor semantic\n"
    "1 sfm_graph_links: its strength is no finite number\n";

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = text.find('\n', from);
    lines.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

TEST_CASE("adopt: a dry run tells, and changes nothing") {
  const std::string url = filled_service();
  SqlSession sql(url);
  spoil(sql);
  const auto before = everything(sql);
  const AdoptReport report = adopt_postgres(on(url)).value();
  CHECK(!report.adopted_before);
  CHECK(report.memories == 6);
  CHECK(report.links == 3);
  CHECK(report.tenants == 2);
  CHECK(report.spaces == 2);
  CHECK(sorted_lines(reasons(report)) == sorted_lines(all_reasons));
  const std::string changes = fmt::format("{}", fmt::join(report.changes, "\n"));
  CHECK(changes.find(
            "drops the unique constraint unique_namespace_coordinate (namespace, coordinate_key) of sfm_memories") !=
        changes.npos);
  CHECK(changes.find("drops the unique constraint unique_graph_link") != changes.npos);
  CHECK(changes.find("drops the unique constraint sfm_namespaces_name_key (name)") != changes.npos);
  CHECK(changes.find("lets sfm_vector_embeddings.memory_id be null") != changes.npos);
  CHECK(everything(sql) == before);
  CHECK(FractalMemory::open({.path = url}).error().code == Errc::unsupported);
  CHECK(everything(sql) == before);
}

TEST_CASE("adopt: it is taken over whole, and what the service wrote is found") {
  const std::string url = filled_service();
  SqlSession sql(url);
  spoil(sql);
  const std::string rows =
      "SELECT md5(string_agg((id, namespace, coordinate_key, memory_type, payload, metadata, tenant, "
      "importance, created_at, updated_at)::text, ' ' ORDER BY id)) FROM sfm_memories";
  const std::string before = sql.one(rows);
  const AdoptReport report = adopt_postgres(on(url), {.dry_run = false}).value();
  CHECK(report.memories == 6);
  CHECK(report.links == 3);
  CHECK(sorted_lines(reasons(report)) == sorted_lines(all_reasons));
  CHECK(sql.one(rows) == before);
  CHECK(sql.one("SELECT count(*) FROM pg_constraint WHERE conname = 'unique_namespace_coordinate' AND connamespace = "
                "current_schema()::regnamespace") == "0");

  const FractalMemory memory = FractalMemory::open({.path = url, .space = soma}).value();
  CHECK(memory.retrieve({1}).value().payload == text("Ada likes green tea"));
  CHECK(memory.retrieve({2, -0.5, 1e-7}).value().version == 1);
  CHECK(memory.stats().value().memories == 4);
  CHECK(memory.stats().value().links == 2);
  CHECK(memory.stats().value().vectors == 3);
  const auto meant = memory.search("something cold in the kitchen").value();
  REQUIRE(!meant.hits.empty());
  CHECK(meant.hits[0].memory.coordinate == Coordinate{2});
  const auto said = memory.search("green", {.mode = SearchMode::keyword}).value();
  REQUIRE(said.hits.size() == 1);
  CHECK(said.hits[0].memory.coordinate == Coordinate{1});
  CHECK(memory.neighbors({1}, {.hops = 2}).value().size() == 2);
  CHECK(memory.in(alice).list().value().memories.size() == 2);
  CHECK(memory.in(alice).search("paint", {.mode = SearchMode::keyword}).value().hits.size() == 1);
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
  const Health health = memory.health().value();
  REQUIRE(health.problems.size() == 2);
  CHECK(health.problems[0].starts_with(
      "11 rows of sfm_memories are no memories, one of them standalone/standalone_memory"));
  CHECK(health.problems[1].starts_with("1 rows of sfm_graph_links are no links"));

  // Two tenants at one coordinate, in one namespace.
  CHECK(memory.in({.tenant = "bob", .name = soma.name}).store({.coordinate = {1}, .payload = "{}"}));
  // A memory that the service's row points to.
  CHECK(memory.remove({1}).value());
  CHECK(sql.one("SELECT count(*) FROM sfm_vector_embeddings WHERE collection_name = 'soma'") == "4");
  CHECK(memory.erase_space().value() == 3);
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("adopt: done again it takes over what can be by now, and nothing else changes") {
  const std::string url = filled_service();
  SqlSession sql(url);
  spoil(sql);
  adopt_postgres(on(url), {.dry_run = false}).value();
  const auto before = everything(sql);
  const AdoptReport again = adopt_postgres(on(url), {.dry_run = false}).value();
  CHECK(again.adopted_before);
  CHECK(again.memories == 0);
  CHECK(again.links == 0);
  CHECK(again.changes.empty());
  CHECK(sorted_lines(reasons(again)) == sorted_lines(all_reasons));
  CHECK(everything(sql) == before);
  // Triggers see no truncation and no write of a replica.
  sql.run("SET session_replication_role = replica");
  sql.run(testing::service_store(alice, {77}, text("written past the triggers")));
  sql.run("SET session_replication_role = origin");
  CHECK(adopt_postgres(on(url)).value().memories == 1);
  CHECK(adopt_postgres(on(url), {.dry_run = false}).value().memories == 1);
  const FractalMemory memory = FractalMemory::open({.path = url, .space = alice}).value();
  CHECK(memory.search("triggers", {.mode = SearchMode::keyword}).value().hits.size() == 1);
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("adopt: what it is not for, it refuses") {
  CHECK(adopt_postgres(on(testing::fresh_postgres_url())).error().code == Errc::not_found);
  CHECK(adopt_postgres(on("fractal.db")).error().code == Errc::invalid_argument);
  const std::string url = filled_service();
  SqlSession sql(url);
  sql.run(
      "ALTER TABLE sfm_memories ADD owner text NOT NULL DEFAULT 'x'; ALTER TABLE sfm_memories ALTER owner DROP "
      "DEFAULT; "
      "ALTER TABLE sfm_graph_links ALTER strength TYPE real; ALTER TABLE sfm_audit_log DROP details");
  const auto before = everything(sql);
  for (const bool dry_run : {true, false}) {
    const auto refused = adopt_postgres(on(url), {.dry_run = dry_run});
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::unsupported);
    const std::string& message = refused.error().message;
    CHECK(message.find("sfm_memories.owner must be given and has no default") != message.npos);
    CHECK(message.find("there is no column sfm_graph_links.strength of type double precision") != message.npos);
    CHECK(message.find("sfm_audit_log.details") != message.npos);
  }
  CHECK(everything(sql) == before);
  PostgresOptions readers = on(url);
  readers.read_only = true;
  CHECK(adopt_postgres(readers, {.dry_run = false}).error().code == Errc::unsupported);
}

TEST_CASE("adopt: stopped or kept waiting, it leaves the database as it was") {
  const std::string url = filled_service();
  SqlSession sql(url);
  const auto before = everything(sql);
  const std::atomic<bool> stop = true;
  CHECK(adopt_postgres(on(url), {.dry_run = false, .control = {.cancel = &stop}}).error().code == Errc::unavailable);
  sql.run("BEGIN");
  sql.run(testing::service_store(alice, {5}, "{}"));
  PostgresOptions hasty = on(url);
  hasty.busy_timeout = std::chrono::milliseconds(200);
  CHECK(adopt_postgres(hasty, {.dry_run = false}).error().code == Errc::unavailable);
  sql.run("ROLLBACK");
  CHECK(everything(sql) == before);
}

TEST_CASE("adopt: indexing goes on where it was stopped") {
  const std::string url = filled_service();
  SqlSession sql(url);
  for (int i = 0; i < 1'500; ++i)
    sql.run(testing::service_store(alice, {50.0, 1.0 * i}, text(fmt::format("row {}", i))));
  adopt_postgres(on(url), {.dry_run = false}).value();
  const auto storage = std::make_shared<Deaf>(open_postgres_storage(on(url)).value());
  CHECK(storage->count_unindexed().value() == 1'505);
  Options options{.space = alice, .embedder = builtin_embedder()};
  options.storage = storage;
  const FractalMemory memory = FractalMemory::open(options).value();
  CHECK(storage->count_unindexed().value() == 505);
  std::atomic<bool> stop = false;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(total == 505);
    stop = done == 256;
  };
  CHECK(memory.maintain({.control = {.cancel = &stop, .progress = progress}}).error().code == Errc::unavailable);
  CHECK(storage->count_unindexed().value() == 249);
  CHECK(memory.health().value().problems.size() == 1);
  CHECK(memory.maintain().value().indexed == 249);
  CHECK(storage->count_unindexed().value() == 0);
  CHECK(memory.stats().value().vectors == memory.stats().value().memories);
  CHECK(memory.verify().value().problems == std::vector<std::string>{});
  CHECK(memory.health().value().ok);
}

}  // namespace
}  // namespace fractal
