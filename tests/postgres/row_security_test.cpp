// Row-level security: with it the server shows no row of a space that a transaction has not named.
#include "tests/postgres/own_schema.h"

#include <fractal/postgres.h>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>

namespace fractal {
namespace {

// A role that is no superuser, and a schema that belongs to it.
class Setting {
 public:
  Setting() { testing::Sql().rows("ALTER SCHEMA " + schema_.name() + " OWNER TO " + role_.name()); }

  FractalMemory open(bool row_security) const {
    PostgresOptions options;
    options.url = role_.url();
    options.durability = Durability::off;
    options.row_security = row_security;
    return FractalMemory::open({.storage = open_postgres_storage(options).value()}).value();
  }
  // What another program of this role sees.
  std::string see(const std::string& sql) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(role_.url().c_str()), &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
    REQUIRE_MESSAGE(PQresultStatus(result.get()) == PGRES_TUPLES_OK, PQerrorMessage(connection.get()));
    return PQgetvalue(result.get(), 0, 0);
  }

 private:
  testing::OwnSchema schema_;
  testing::PlainRole role_{schema_};
};

void fill(const FractalMemory& memory) {
  for (const char* tenant : {"alice", "bob"}) {
    const auto one = memory.in({.tenant = tenant});
    one.store({.coordinate = {1}, .payload = fmt::format(R"({{"text": "the tea of {}"}})", tenant)}).value();
    one.link({.from = {1}, .to = {2}}).value();
  }
}

TEST_CASE("every operation works beneath row security, and the tables show nothing by themselves") {
  const Setting setting;
  const auto memory = setting.open(true);
  fill(memory);
  for (const char* tenant : {"alice", "bob"}) {
    const auto one = memory.in({.tenant = tenant});
    CHECK(one.retrieve({1})->payload == fmt::format(R"({{"text": "the tea of {}"}})", tenant));
    CHECK(one.search("tea").value().hits.size() == 1);
    CHECK(one.neighbors({1}).value().size() == 1);
    CHECK(one.list().value().memories.size() == 1);
    CHECK(one.changes(0).value().size() == 2);
    CHECK(one.audit(10).value().size() == 2);
    one.create_index("year").value();
  }
  CHECK(memory.verify().value().problems.empty());
  for (const char* table :
       {"sfm_memories", "sfm_graph_links", "sfm_keywords", "sfm_vector_embeddings", "sfm_audit_log"}) {
    CHECK(setting.see(fmt::format("SELECT count(*) FROM {}", table)) == "0");
  }
  const std::string alice = setting.see("SELECT fm_number FROM sfm_namespaces WHERE tenant = 'alice'");
  CHECK(setting.see(fmt::format(
            "SET fractal.spaces = '{{{}}}'; SELECT payload ->> 'text' || count(*) OVER () FROM sfm_memories", alice)) ==
        "the tea of alice1");
  memory.in({.tenant = "alice"}).remove({1}).value();
  memory.in({.tenant = "bob"}).erase_space().value();
  memory.maintain().value();
  CHECK(setting.see("SET fractal.spaces = 'all'; SELECT count(*) FROM sfm_memories") == "0");
}

TEST_CASE("a database that has it keeps it, and one opened without the option obeys") {
  const Setting setting;
  fill(setting.open(false));
  CHECK(setting.see("SELECT count(*) FROM sfm_memories") == "2");
  setting.open(true);
  CHECK(setting.see("SELECT count(*) FROM sfm_memories") == "0");
  const auto again = setting.open(false).in({.tenant = "bob"});
  CHECK(again.retrieve({1}).has_value());
  CHECK(again.store({.coordinate = {3}, .payload = "{}"}).has_value());
  CHECK(again.stats().value().memories == 2);
}

TEST_CASE("a program that is open while another adds it goes on") {
  for (const bool write_first : {false, true}) {
    const Setting setting;
    const auto memory = setting.open(false), reader = setting.open(false), getter = setting.open(false);
    fill(memory);
    const auto bob = memory.in({.tenant = "bob"});
    setting.open(true);
    if (write_first) {
      CHECK(bob.store({.coordinate = {1}, .payload = R"({"text": "new tea"})"}).has_value());
      CHECK(memory.in({.tenant = "carol"}).store({.coordinate = {1}, .payload = "{}"}).has_value());
      CHECK(memory.in({.tenant = "carol"}).retrieve({1}).has_value());
    }
    CHECK(getter.in({.tenant = "bob"}).retrieve({1}).has_value());
    CHECK(getter.in({.tenant = "bob"}).retrieve({2}).error().code == Errc::not_found);
    CHECK(reader.in({.tenant = "bob"}).list().value().memories.size() == 1);
    CHECK(reader.in({.tenant = "bob"}).search("tea").value().hits.size() == 1);
    CHECK(bob.update({1}, {.importance = 0.5}).has_value());
    CHECK(bob.neighbors({1}).value().size() == 1);
    CHECK(memory.verify().value().problems.empty());
  }
}

}  // namespace
}  // namespace fractal
