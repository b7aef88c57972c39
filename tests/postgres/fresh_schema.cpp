#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace fractal::testing {
namespace {

// Views outlive their storage, and a schema that is read cannot be dropped: all go at the end.
struct Schemas {
  std::atomic<int> made = 0;
  static std::string name(int number) { return fmt::format("suite_{}_{}", ::getpid(), number); }
  ~Schemas() {
    for (int number = 1; number <= made; ++number) {
      run_on_postgres(fmt::format("SET client_min_messages = error; DROP SCHEMA IF EXISTS {} CASCADE", name(number)));
    }
  }
} schemas;

}  // namespace

std::string postgres_server() {
  const char* const url = std::getenv("FRACTAL_TEST_POSTGRES");
  if (url == nullptr) throw std::runtime_error("FRACTAL_TEST_POSTGRES names no server: ./dev services up");
  return url;
}

void run_on_postgres(const std::string& sql, const std::string& url) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
}

std::string fresh_postgres_url() {
  const std::string schema = Schemas::name(++schemas.made);
  run_on_postgres("CREATE SCHEMA " + schema);
  const char separator = postgres_server().find('?') == std::string::npos ? '?' : '&';
  return fmt::format("{}{}options=-csearch_path%3D{}", postgres_server(), separator, schema);
}

}  // namespace fractal::testing
