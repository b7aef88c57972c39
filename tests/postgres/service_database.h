// A database of SomaFractalMemory's service, and another program's session in it.
#ifndef FRACTAL_TESTS_POSTGRES_SERVICE_DATABASE_H
#define FRACTAL_TESTS_POSTGRES_SERVICE_DATABASE_H

#include <fractal/types.h>

#include <memory>
#include <string>
#include <vector>

struct pg_conn;

namespace fractal::testing {

class SqlSession {
 public:
  explicit SqlSession(const std::string& url);

  // "" or the SQLSTATE of what went wrong.
  std::string attempt(const std::string& sql);
  // Throws what went wrong.
  void run(const std::string& sql);
  std::vector<std::vector<std::string>> ask(const std::string& sql);
  std::string one(const std::string& sql) { return ask(sql).at(0).at(0); }

 private:
  std::shared_ptr<pg_conn> connection_;
};

// The service's INSERT.
std::string service_store(const Space& space, const Coordinate& coordinate, const std::string& payload,
                          const std::string& on_conflict = "");
std::string service_link(const Space& space, const Coordinate& from, const Coordinate& to, const std::string& type);
// WHERE coordinate_key = ... of a space.
std::string at(const Space& space, const Coordinate& coordinate);

// The URL of a new schema with the service's tables, data/service_tables.sql.
std::string fresh_service_url();

}  // namespace fractal::testing

#endif
