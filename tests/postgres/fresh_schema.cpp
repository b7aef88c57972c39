#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

// On each server a database for this process and those that it starts: what another program reads is none of it. It goes
// with the process, and with it the schemas of the tests, which the last views may still read.
class OwnDatabases {
 public:
  std::string url(const char* variable) {
    const std::lock_guard lock(mutex_);
    const char* const server = std::getenv(variable);
    if (server == nullptr) throw std::runtime_error(fmt::format("{} names no server: ./dev services up", variable));
    std::string url = server;
    if (url.find("&dbname=test_") != url.npos) return url;
    const std::string name = fmt::format("test_{}", ::getpid());
    run_on_postgres("CREATE DATABASE " + name, url);
    made_.emplace_back(url, name);
    url += "&dbname=" + name;  // the last one counts
    ::setenv(variable, url.c_str(), 1);
    return url;
  }
  // What the tests said is more than a database that stays behind.
  ~OwnDatabases() {
    for (const auto& [server, name] : made_) {
      try {
        run_on_postgres(fmt::format("DROP DATABASE {} WITH (FORCE)", name), server);
      } catch (const std::exception& error) { fmt::print(stderr, "{}: {}", name, error.what()); }
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> made_;
} databases;

std::string answer_of(const std::string& sql, const std::string& url, ExecStatusType wanted) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  if (PQresultStatus(result.get()) != wanted) throw std::runtime_error(PQerrorMessage(connection.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

}  // namespace

std::string postgres_server() { return databases.url("FRACTAL_TEST_POSTGRES"); }
std::string pgvector_server() { return databases.url("FRACTAL_TEST_PGVECTOR"); }

void run_on_postgres(const std::string& sql, const std::string& url) { answer_of(sql, url, PGRES_COMMAND_OK); }
std::string ask_postgres(const std::string& sql, const std::string& url) {
  return answer_of(sql, url, PGRES_TUPLES_OK);
}

std::string make_schema(const std::string& server) {
  static std::atomic<int> made = 0;
  const std::string name = fmt::format("test_{}_{}", ::getpid(), ++made);
  run_on_postgres("CREATE SCHEMA " + name, server);
  return name;
}

std::string fresh_postgres_url(const std::string& server) {
  return fmt::format("{}&options=-csearch_path%3D{}", server, make_schema(server));
}

}  // namespace fractal::testing
