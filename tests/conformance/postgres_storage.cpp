// The Storage suite on PostgreSQL: each storage a schema of its own on the server that FRACTAL_TEST_POSTGRES names.
#include "storage_model.h"

#include <fractal/postgres.h>

#include <fmt/format.h>
#include <libpq-fe.h>

#include <unistd.h>
#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace fractal {
namespace {

std::string server() {
  const char* const url = std::getenv("FRACTAL_TEST_POSTGRES");
  if (url == nullptr) throw std::runtime_error("FRACTAL_TEST_POSTGRES names no server: ./dev services up");
  return url;
}

void run(const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(server().c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
}

// Views outlive their storage, and a schema that is read cannot be dropped: all go at the end.
struct Schemas {
  std::atomic<int> made = 0;
  std::string name(int number) const { return fmt::format("suite_{}_{}", ::getpid(), number); }
  ~Schemas() {
    for (int number = 1; number <= made; ++number) {
      run(fmt::format("SET client_min_messages = error; DROP SCHEMA IF EXISTS {} CASCADE", name(number)));
    }
  }
} schemas;

}  // namespace

std::shared_ptr<Storage> make_empty_storage() {
  const std::string schema = schemas.name(++schemas.made);
  run("CREATE SCHEMA " + schema);
  const char separator = server().find('?') == std::string::npos ? '?' : '&';
  PostgresOptions options;
  options.url = fmt::format("{}{}options=-csearch_path%3D{}", server(), separator, schema);
  options.durability = Durability::off;  // no power cut here
  return open_postgres_storage(options).value();
}

}  // namespace fractal
