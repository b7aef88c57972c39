#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

// Views outlive their storage, and a schema that is read cannot be dropped: all go at the end.
class Schemas {
 public:
  std::string make(const std::string& server) {
    const std::lock_guard lock(mutex_);
    const std::string name = fmt::format("suite_{}_{}", ::getpid(), made_.size() + 1);
    run_on_postgres("CREATE SCHEMA " + name, server);
    made_.emplace_back(server, name);
    return name;
  }
  ~Schemas() {
    for (const auto& [server, name] : made_) {
      run_on_postgres(fmt::format("SET client_min_messages = error; DROP SCHEMA IF EXISTS {} CASCADE", name), server);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> made_;
} schemas;

std::string named_server(const char* variable) {
  const char* const url = std::getenv(variable);
  if (url == nullptr) throw std::runtime_error(fmt::format("{} names no server: ./dev services up", variable));
  return url;
}

std::string answer_of(const std::string& sql, const std::string& url, ExecStatusType wanted) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  if (PQresultStatus(result.get()) != wanted) throw std::runtime_error(PQerrorMessage(connection.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

}  // namespace

std::string postgres_server() { return named_server("FRACTAL_TEST_POSTGRES"); }
std::string pgvector_server() { return named_server("FRACTAL_TEST_PGVECTOR"); }

void run_on_postgres(const std::string& sql, const std::string& url) { answer_of(sql, url, PGRES_COMMAND_OK); }
std::string ask_postgres(const std::string& sql, const std::string& url) {
  return answer_of(sql, url, PGRES_TUPLES_OK);
}

std::string fresh_postgres_url(const std::string& server) {
  const char separator = server.find('?') == std::string::npos ? '?' : '&';
  return fmt::format("{}{}options=-csearch_path%3D{}", server, separator, schemas.make(server));
}

}  // namespace fractal::testing
