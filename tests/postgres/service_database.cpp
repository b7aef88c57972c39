#include "tests/postgres/service_database.h"

#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fractal::testing {
namespace {

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

bool good(const Result& result) {
  const auto status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string array_of(const Coordinate& coordinate) {
  return fmt::format("'{{{}}}'::double precision[]", fmt::join(coordinate.components(), ","));
}

}  // namespace

SqlSession::SqlSession(const std::string& url) : connection_(PQconnectdb(url.c_str()), &PQfinish) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection_.get()));
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

std::string SqlSession::attempt(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()), &PQclear);
  if (good(result)) return "";
  const char* const state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  return state == nullptr ? PQerrorMessage(connection_.get()) : state;
}

void SqlSession::run(const std::string& sql) { ask(sql); }

std::vector<std::vector<std::string>> SqlSession::ask(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()), &PQclear);
  if (!good(result)) throw std::runtime_error(fmt::format("{}: {}", sql, PQerrorMessage(connection_.get())));
  std::vector<std::vector<std::string>> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    auto& cells = rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      cells.emplace_back(PQgetvalue(result.get(), row, column));
    }
  }
  return rows;
}

std::string service_store(const Space& space, const Coordinate& coordinate, const std::string& payload,
                          const std::string& on_conflict) {
  return fmt::format(
      "INSERT INTO sfm_memories (id, namespace, coordinate, coordinate_key, memory_type, payload, metadata, tenant, "
      "importance, access_count, last_accessed, created_at, updated_at) VALUES (gen_random_uuid(), {}, {}, {}, "
      "'episodic', {}, '{{}}', {}, 0.0, 0, NULL, now(), now()) {}",
      quoted(space.name), array_of(coordinate), quoted(coordinate.to_string()), quoted(payload), quoted(space.tenant),
      on_conflict);
}

std::string service_link(const Space& space, const Coordinate& from, const Coordinate& to, const std::string& type) {
  return fmt::format(
      "INSERT INTO sfm_graph_links (id, namespace, from_coordinate, from_coordinate_key, to_coordinate, "
      "to_coordinate_key, link_type, strength, metadata, tenant, created_at) VALUES (gen_random_uuid(), {}, {}, {}, "
      "{}, {}, "
      "{}, 1.0, '{{}}', {}, now())",
      quoted(space.name), array_of(from), quoted(from.to_string()), array_of(to), quoted(to.to_string()), quoted(type),
      quoted(space.tenant));
}

std::string at(const Space& space, const Coordinate& coordinate) {
  return fmt::format("WHERE tenant = {} AND namespace = {} AND coordinate_key = {}", quoted(space.tenant),
                     quoted(space.name), quoted(coordinate.to_string()));
}

std::string fresh_service_url() {
  std::ifstream file(FRACTAL_TEST_DATA "/service_tables.sql");
  std::ostringstream tables;
  tables << file.rdbuf();
  if (!file) throw std::runtime_error("service_tables.sql cannot be read");
  std::string url = fresh_postgres_url();
  SqlSession(url).run(tables.str());
  return url;
}

}  // namespace fractal::testing
