// What was erased is in no file of the tables after a purge; and a purge that cannot promise that says so. Who holds a moment
// is in nobody's way else.
#include "tests/postgres/own_schema.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

namespace {

using namespace fractal;
using std::chrono::milliseconds;

constexpr const char* secret = "the combination is 7-32-19";

FractalMemory open(const auto& schema_or_role, milliseconds patience) {
  const PostgresOptions postgres{.url = schema_or_role.url(), .busy_timeout = patience};
  return FractalMemory::open({.embedder = nullptr, .storage = open_postgres_storage(postgres).value()}).value();
}

// Tables and indexes of the schema whose files have these bytes.
std::string files_with(testing::Sql& sql, const testing::OwnSchema& schema, const std::string& bytes) {
  sql.rows("CHECKPOINT");
  return sql.value(
      "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'i') "
      "AND "
      "position(convert_to($2, 'UTF8') IN pg_read_binary_file(pg_relation_filepath(oid))) > 0",
      {schema.name(), bytes});
}

void store_secret(const FractalMemory& memory) {
  memory.store({.coordinate = {1}, .payload = R"({"text": ")" + std::string(secret) + R"("})"}).value();
}

// The secret goes while `holder` has a transaction open: purged only once that has ended.
void check_waits_for(testing::Sql& holder, const FractalMemory& memory, const FractalMemory& patient,
                     const testing::OwnSchema& schema) {
  memory.remove({1}).value();
  const auto refused = memory.maintain({.purge = true});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::unavailable);
  holder.rows("COMMIT");
  REQUIRE(patient.maintain({.purge = true}).has_value());
  testing::Sql sql;
  CHECK(files_with(sql, schema, secret) == "");
}

TEST_CASE("a purge is refused while a snapshot may read what was erased, and leaves no byte of it when that has gone") {
  const testing::OwnSchema schema;
  testing::Sql sql;
  const auto memory = open(schema, milliseconds(300)), patient = open(schema, milliseconds(60'000));
  store_secret(memory);
  memory.store({.coordinate = {2}, .payload = R"({"text": "tea"})"}).value();
  auto before = std::optional(memory.snapshot().value());
  memory.remove({1}).value();
  const auto refused = memory.maintain({.purge = true});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::unavailable);
  CHECK(refused.error().message.find("may still read what was erased") != std::string::npos);
  CHECK(before->retrieve({1}).has_value());
  CHECK(files_with(sql, schema, secret) != "");
  before.reset();
  REQUIRE(patient.maintain({.purge = true}).has_value());
  CHECK(files_with(sql, schema, secret) == "");
  CHECK(memory.retrieve({2}).has_value());
}

TEST_CASE("another program that holds a moment is waited for, too, though it reads no table of ours") {
  const testing::OwnSchema schema;
  testing::Sql other;
  const auto memory = open(schema, milliseconds(300)), patient = open(schema, milliseconds(60'000));
  store_secret(memory);
  other.rows("BEGIN ISOLATION LEVEL REPEATABLE READ");
  other.rows("SELECT count(*) FROM pg_class");
  check_waits_for(other, memory, patient, schema);
}

// Only superusers and pg_read_all_stats are told what kind of session another role's is.
TEST_CASE("a role without rights waits for other roles' moments, too") {
  const testing::OwnSchema schema;
  testing::Sql sql, other;
  const testing::PlainRole role(schema);
  sql.rows("ALTER SCHEMA " + schema.name() + " OWNER TO " + role.name());
  const auto memory = open(role, milliseconds(300)), patient = open(role, milliseconds(60'000));
  store_secret(memory);
  other.rows("BEGIN ISOLATION LEVEL REPEATABLE READ");
  other.rows("SELECT count(*) FROM pg_class");
  check_waits_for(other, memory, patient, schema);
}

// The server would say yes, and pass the tables over.
TEST_CASE("who may write, but not rewrite, is told so") {
  const testing::OwnSchema schema;
  testing::Sql sql;
  const auto owner = open(schema, milliseconds(60'000));
  store_secret(owner);
  const testing::PlainRole role(schema);
  for (const char* rights : {"USAGE ON SCHEMA ", "ALL ON ALL TABLES IN SCHEMA ", "ALL ON ALL SEQUENCES IN SCHEMA "}) {
    sql.rows(fmt::format("GRANT {}{} TO {}", rights, schema.name(), role.name()));
  }
  if (std::stoi(sql.value("SHOW server_version_num")) >= 170'000) {
    sql.rows(fmt::format("REVOKE MAINTAIN ON ALL TABLES IN SCHEMA {} FROM {}", schema.name(), role.name()));
  }
  {
    const auto memory = open(role, milliseconds(60'000));
    REQUIRE(memory.remove({1}).has_value());
    const auto refused = memory.maintain({.purge = true});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::unsupported);
    CHECK(memory.maintain().has_value());
  }
  REQUIRE(owner.maintain({.purge = true}).has_value());
  CHECK(files_with(sql, schema, secret) == "");
}

// A rewrite goes by the oldest transaction that runs anywhere on the server.
TEST_CASE("a transaction of another database is waited for, too") {
  const testing::OwnSchema schema;
  const auto memory = open(schema, milliseconds(300)), patient = open(schema, milliseconds(60'000));
  store_secret(memory);
  testing::Sql other("postgres");
  other.rows("BEGIN");
  other.rows("SELECT pg_current_xact_id()");
  check_waits_for(other, memory, patient, schema);
}

TEST_CASE("what an interrupted copy had noted goes, too") {
  const testing::OwnSchema schema;
  testing::Sql sql;
  const auto memory = open(schema, milliseconds(60'000));
  memory.store({.coordinate = {1}, .payload = "{}"}).value();
  sql.rows("INSERT INTO " + schema.name() + ".sfm_settings SELECT 'core.copy/' || fm_number, $1 FROM " + schema.name() +
               ".sfm_namespaces",
           {secret});
  CHECK(files_with(sql, schema, secret) != "");
  REQUIRE(memory.maintain({.purge = true}).has_value());
  CHECK(files_with(sql, schema, secret) == "");
}

TEST_CASE("a snapshot that has read some of what there is keeps maintain() from nothing") {
  const testing::OwnSchema schema;
  const auto memory = open(schema, milliseconds(300));
  for (int round = 0; round < 2; ++round) {
    Batch batch;
    for (double i = 0; i < 300; ++i) {
      Memory one{.coordinate = {i}, .payload = R"({"round": )" + std::to_string(round) + "}"};
      one.expires_at = Time(std::chrono::microseconds(4'000'000'000'000'000 + round));
      batch.store(one);
    }
    memory.apply(batch).value();
  }
  const auto snapshot = memory.snapshot().value();
  CHECK(snapshot.list({.limit = 3})->memories.size() == 3);
  CHECK(snapshot.list({.order = ListOrder::importance, .limit = 3})->memories.size() == 3);
  const Control patience{.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60)};
  CHECK(memory.maintain({.control = patience}).has_value());
  CHECK(snapshot.retrieve({7})->payload == R"({"round": 1})");
}

TEST_CASE("a purge waits for a reader that ends in time") {
  const testing::OwnSchema schema;
  testing::Sql sql;
  const auto memory = open(schema, milliseconds(60'000));
  store_secret(memory);
  auto before = std::optional(memory.snapshot().value());
  memory.remove({1}).value();
  std::thread reader([&] {
    std::this_thread::sleep_for(milliseconds(200));
    before.reset();
  });
  CHECK(memory.maintain({.purge = true}).has_value());
  reader.join();
  CHECK(files_with(sql, schema, secret) == "");
}

}  // namespace
