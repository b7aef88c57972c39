// What the server was asked, by its own log, over every operation of the API: each statement keeps to the rows of the space
// that the call was made for.
#include "tests/postgres/own_schema.h"
#include "tests/postgres/statement_log.h"
#include "tests/postgres/statement_scope.h"

#include <fractal/backend.h>
#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace fractal;
using testing::beyond_scope;
using testing::LoggedStatement;
using testing::SpaceScope;

struct Operation {
  const char* name;
  std::function<void(const FractalMemory&)> run;
};

Memory memory_of(double place) {
  return {.coordinate = {1, place},
          .payload = fmt::format(R"({{"text": "tea of place {}", "year": {}}})", place, 2000 + place),
          .embedding = {1, static_cast<float>(place)}};
}

std::atomic<std::int64_t> seconds{1'700'000'000};

FractalMemory open(const testing::OwnSchema& schema) {
  Options options;
  options.storage = open_postgres_storage({.url = schema.url({}, "-c log_statement=all -c log_parameter_max_length=-1"),
                                           .durability = Durability::off})
                        .value();
  options.embedder = nullptr;
  options.indexed_fields = {"year"};
  options.count_accesses = true;
  options.audit = {.reads = true, .payloads = true, .keep_records = 20};
  options.change_history = 50;
  options.clock = [] { return Time(std::chrono::seconds(seconds)); };
  return FractalMemory::open(std::move(options)).value();
}

void search_all_ways(const FractalMemory& memory) {
  const std::vector<float> vector{1, 2};
  const std::array<Query, 3> queries{
      {{.text = {}, .vector = vector}, {.text = "tea place", .vector = {}}, {.text = "tea", .vector = vector}}};
  for (const Query& query : queries) {
    (void)memory.search(query).value();
    (void)memory.search(query, {.filter = Filter::ge("year", 2001) && Filter::ge("$importance", 0), .exact = true})
        .value();
    (void)memory.search(query, {.within = {1}, .embeddings = true}).value();
    (void)memory.search(query, {.association = {.seeds = {{1, 1}}}}).value();
  }
}

void list_all_ways(const FractalMemory& memory) {
  for (const ListOrder order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    const auto first = memory.list({.order = order, .limit = 2}).value();
    (void)memory.list({.order = order, .limit = 2, .after = first.next, .embeddings = true}).value();
    (void)memory.list({.order = order, .descending = true, .within = {1}, .filter = Filter::eq("year", 2001)}).value();
  }
  (void)memory.within({1}).value();
}

void walk_all_ways(const FractalMemory& memory) {
  (void)memory.neighbors({1, 0}, {.hops = 3, .direction = Direction::both}).value();
  (void)memory.neighbors({1, 0}, {.type = "next"}).value();
  (void)memory.reach({1, 0}, {.hops = 5}).value();
  (void)memory.path({1, 0}, {1, 3}).value();
  (void)memory.path({1, 0}, {1, 3}, {.weighted = true}).value();
  const std::array<Coordinate, 1> seeds{{{1, 0}}};
  (void)memory.activate(seeds).value();
}

void transfer(const FractalMemory& memory) {
  std::stringstream lines, graph;
  memory.export_memories(lines, {.consistent = true}).value();
  memory.export_graph(graph, GraphFormat::json).value();
  memory.import_memories(lines).value();
}

void expire(const FractalMemory& memory) {
  Memory soon = memory_of(50);
  soon.expires_at = Time(std::chrono::seconds(seconds + 1));
  memory.store(soon).value();
  memory.link({.from = {1, 50}, .to = {1, 0}}).value();
  seconds += 10;
  CHECK_FALSE(memory.retrieve({1, 50}));
  (void)memory.search("tea").value();
  memory.store(memory_of(1)).value();
}

// Each for one space.
const std::vector<Operation>& operations() {
  static const std::vector<Operation> all{
      {"store", [](const auto& memory) { memory.store(memory_of(0)).value(); }},
      {"store again", [](const auto& memory) { memory.store(memory_of(0)).value(); }},
      {"store_if_absent", [](const auto& memory) { memory.store_if_absent(memory_of(1)).value(); }},
      {"apply",
       [](const auto& memory) {
         Batch batch;
         for (double place = 2; place < 20; ++place) batch.store(memory_of(place));
         for (double place = 0; place < 20; ++place) {
           batch.link({.from = {1, place}, .to = {1, place + 1}, .type = "next"});
         }
         memory.apply(batch).value();
       }},
      {"update",
       [](const auto& memory) {
         memory.update({1, 2}, {.payload = R"({"text": "coffee", "year": 1999})", .importance = 2}).value();
         memory.update({1, 3}, {.embedding = std::vector<float>{}}).value();
       }},
      {"retrieve",
       [](const auto& memory) {
         memory.retrieve({1, 2}).value();
         memory.retrieve({1, 2}, {.embeddings = false}).value();
         const std::array<Coordinate, 3> places{{{1, 1}, {1, 2}, {9}}};
         memory.retrieve_many(places).value();
       }},
      {"search", search_all_ways},
      {"list", list_all_ways},
      {"near",
       [](const auto& memory) {
         memory.near({1, 1}, {.radius = 3}).value();
       }},
      {"walks", walk_all_ways},
      {"unlink",
       [](const auto& memory) {
         CHECK(memory.unlink({1, 18}, {1, 19}, "next").value());
       }},
      {"remove",
       [](const auto& memory) {
         CHECK(memory.remove({1, 19}).value());
       }},
      {"expiry", expire},
      {"history",
       [](const auto& memory) {
         memory.changes(memory.stats().value().sequence - 20).value();
         memory.audit(5).value();
         memory.audit(5, memory.audit(1).value().at(0).number).value();
       }},
      {"stats",
       [](const auto& memory) {
         memory.stats().value();
         memory.state().value();
       }},
      {"snapshot",
       [](const auto& memory) {
         const auto snapshot = memory.snapshot().value();
         memory.store(memory_of(5)).value();
         search_all_ways(FractalMemory(memory));
         snapshot.search("tea").value();
         snapshot.retrieve({1, 5}).value();
       }},
      {"transfer", transfer},
      {"recall_probe", [](const auto& memory) { memory.recall_probe(8).value(); }},
      {"forgetting",  // removals and audit records beyond what is kept
       [](const auto& memory) {
         for (int i = 0; i < 300; ++i) memory.link({.from = {2}, .to = {3}, .strength = i + 1.0}).value();
       }},
      {"erase_space", [](const auto& memory) { memory.erase_space().value(); }},
      {"store anew", [](const auto& memory) { memory.store(memory_of(0)).value(); }}};
  return all;
}

SpaceScope scope_of(const FractalMemory& memory) {
  const std::uint64_t number = memory.state().value().number;
  return {.number = number, .tenant = memory.space().tenant, .name = memory.space().name};
}

}  // namespace

TEST_CASE("each statement of a call is bound to the space of the call") {
  const testing::OwnSchema schema;
  open(schema).in({.tenant = "other", .name = "space"}).store(memory_of(0)).value();
  testing::StatementLog log(schema);
  const FractalMemory memory = open(schema).in({.tenant = "this", .name = "one"});
  memory.store(memory_of(100)).value();  // so that it has a number

  std::set<std::string> used;
  for (const Operation& operation : operations()) {
    CAPTURE(std::string(operation.name));
    SpaceScope scope = scope_of(memory);
    (void)log.take();
    operation.run(memory);
    const auto statements = log.take();
    CHECK_FALSE(statements.empty());
    if (scope.number == 0) scope = scope_of(memory);  // it has been made anew
    for (const LoggedStatement& statement : statements) {
      CAPTURE(statement.text);
      CAPTURE(fmt::format("{}", fmt::join(statement.values, " | ")));
      CHECK(beyond_scope(statement, scope) == "");
      const auto tables = tables_used(statement);
      used.insert(tables.begin(), tables.end());
      // It would be told if the values were another space's.
      if (tables.empty()) continue;
      CHECK(beyond_scope(statement, {.number = scope.number + 1, .tenant = "other", .name = "space"}) != "");
    }
  }
  for (const char* table : {"sfm_namespaces", "sfm_memories", "sfm_graph_links", "sfm_vector_embeddings",
                            "sfm_removals", "sfm_audit_log", "sfm_keywords", "sfm_field_values"}) {
    for (const char* verb : {"SELECT", "INSERT", "DELETE"}) CHECK(used.contains(fmt::format("{} {}", verb, table)));
  }
  CHECK(used.contains("UPDATE sfm_memories"));
  CHECK(used.contains("UPDATE sfm_namespaces"));
}

TEST_CASE("a statement that leaves a space is told from one that does not") {
  const SpaceScope scope{.number = 7, .tenant = "a", .name = "b"};
  const std::string id = fmt::to_string(first_id(7) + 1), foreign = fmt::to_string(first_id(8) + 1);
  const auto table = [&](std::string text, std::vector<std::string> values) {
    return beyond_scope({.text = std::move(text), .values = std::move(values)}, scope);
  };
  CHECK(table("SELECT 1", {}) == "");
  CHECK(table("SELECT * FROM sfm_memories WHERE fm_space = $1 AND fm_key = $2", {"7", "\\x00"}) == "");
  CHECK(table("SELECT * FROM sfm_memories WHERE fm_key = $2", {"7", "\\x00"}) == "sfm_memories");
  CHECK(table("SELECT * FROM sfm_memories WHERE fm_space = $1", {"8"}) == "sfm_memories");
  CHECK(table("SELECT * FROM sfm_memories WHERE fm_space = $1 OR fm_key = $2", {"7", ""}) == "sfm_memories");
  CHECK(table("SELECT * FROM sfm_memories WHERE (fm_space = $1 OR TRUE)", {"7"}) == "sfm_memories");
  CHECK(table("UPDATE sfm_memories SET fm_space = $1 WHERE fm_key = $2", {"7", ""}) == "sfm_memories");
  CHECK(table("DELETE FROM sfm_keywords WHERE id = $1", {id}) == "");
  CHECK(table("DELETE FROM sfm_keywords WHERE id = $1", {foreign}) == "sfm_keywords");
  CHECK(table("DELETE FROM sfm_keywords WHERE id = ANY($1)", {"{" + id + "," + foreign + "}"}) == "sfm_keywords");
  CHECK(table("DELETE FROM sfm_keywords WHERE id BETWEEN $1 AND $2", {id, id}) == "");
  CHECK(table("DELETE FROM sfm_keywords WHERE id > $1", {id}) == "sfm_keywords");
  CHECK(table("SELECT * FROM sfm_keywords AS k WHERE k.terms && $1", {"{7:tea,7:cup}"}) == "");
  CHECK(table("SELECT * FROM sfm_keywords AS k WHERE k.terms && $1", {"{7:tea,8:cup}"}) == "sfm_keywords");
  CHECK(table("SELECT 1 FROM sfm_memories AS m LEFT JOIN sfm_vector_embeddings AS e ON e.fm_id = m.fm_id "
              "WHERE m.fm_space = $1",
              {"7"}) == "");
  CHECK(table("SELECT 1 FROM sfm_memories AS m, sfm_vector_embeddings AS e WHERE m.fm_space = $1", {"7"}) ==
        "sfm_vector_embeddings");
  CHECK(table("SELECT 1 FROM sfm_removals WHERE space = $1 UNION ALL SELECT 2 FROM sfm_graph_links", {"7"}) ==
        "sfm_graph_links");
  CHECK(table("SELECT 1 FROM sfm_memories AS m WHERE m.fm_space = $1 AND m.fm_id IN "
              "(SELECT f.id FROM sfm_field_values AS f WHERE f.field = 3)",
              {"7"}) == "sfm_field_values");
  CHECK(table("INSERT INTO sfm_removals(sequence, space) VALUES ($1, $2)", {"1", "7"}) == "");
  CHECK(table("INSERT INTO sfm_removals(sequence, space) VALUES ($1, $2)", {"7", "1"}) == "sfm_removals");
  CHECK(table("SELECT 1 FROM sfm_namespaces WHERE fm_tenant = $1 AND fm_name = $2", {"\\x61", "\\x62"}) == "");
  CHECK(table("SELECT 1 FROM sfm_namespaces WHERE fm_tenant = $1", {"\\x61"}) == "sfm_namespaces");
  const std::string several =
      "SELECT 1 FROM sfm_namespaces AS n WHERE (n.fm_tenant, n.fm_name) IN "
      "(SELECT * FROM unnest($1::bytea[], $2::bytea[]))";
  CHECK(table(several, {R"({"\\x61","\\x61"})", R"({"\\x62","\\x62"})"}) == "");
  CHECK(table(several, {R"({"\\x61","\\x61"})", R"({"\\x62","\\x63"})"}) == "sfm_namespaces");
  const std::string joined =
      "SELECT 1 FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(tenant, name, key) JOIN "
      "sfm_namespaces AS n ON n.fm_tenant = w.tenant AND n.fm_name = w.name JOIN sfm_memories AS m "
      "ON m.fm_space = n.fm_number AND m.fm_key = w.key WHERE true";
  CHECK(table(joined, {R"({"\\x61"})", R"({"\\x62"})", R"({"\\x63"})"}) == "");
  CHECK(table(joined, {R"({"\\x63"})", R"({"\\x62"})", R"({"\\x63"})"}) == "sfm_namespaces");
  CHECK(
      table("SELECT (SELECT min(fm_expires_at) FROM sfm_memories WHERE fm_space = n.fm_number) FROM sfm_namespaces AS "
            "n WHERE n.fm_number = $1",
            {"7"}) == "");
}

TEST_CASE("the log is read as the server writes it") {
  const std::string log =
      "2026-01-01 10:00:00.000 UTC [11] LOG:  statement: BEGIN\n"
      "2026-01-01 10:00:00.000 UTC [12] LOG:  statement: not ours\n"
      "2026-01-01 10:00:00.000 UTC [11] LOG:  execute f1: SELECT 1\n"
      "\tFROM x WHERE a = $1\n"
      "2026-01-01 10:00:00.000 UTC [11] DETAIL:  parameters: $1 = 'it''s, $2 = ''x', $2 = NULL, $3 = 'line\n"
      "\tline'\n"
      "2026-01-01 10:00:00.000 UTC [11] ERROR:  division by zero\n";
  const auto statements = testing::statements_in(log, {"11"});
  REQUIRE(statements.size() == 2);
  CHECK(statements[0] == LoggedStatement{"BEGIN", {}});
  CHECK(statements[1] == LoggedStatement{"SELECT 1\nFROM x WHERE a = $1", {"it's, $2 = 'x", "NULL", "line\nline"}});
}
