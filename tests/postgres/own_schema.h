// A schema whose connections can be told from others', and plain SQL beside the library; on the
// server that FRACTAL_TEST_POSTGRES names.
#ifndef FRACTAL_TESTS_POSTGRES_OWN_SCHEMA_H
#define FRACTAL_TESTS_POSTGRES_OWN_SCHEMA_H

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;

namespace fractal::testing {

// A connection for what a test asks the server itself. One thread at a time. Throws std::runtime_error with the server's
// words.
class Sql {
 public:
  Sql();                                    // to FRACTAL_TEST_POSTGRES
  explicit Sql(std::string_view database);  // another one of its server
  ~Sql();
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  // As texts; a NULL is empty. `values` are $1, $2, ...
  std::vector<std::vector<std::string>> rows(const std::string& statement, const std::vector<std::string>& values = {});
  // The first column of the first row; empty if there is none.
  std::string value(const std::string& statement, const std::vector<std::string>& values = {});
  std::string socket() const;  // of the server: a path
  std::string folder() const;  // where it lies

 private:
  explicit Sql(pg_conn* handle);
  pg_conn* handle_;
};

class OwnSchema {
 public:
  OwnSchema();

  // What its connections are called in pg_stat_activity.
  const std::string& name() const noexcept { return name_; }
  // For open_postgres_storage(). `host`: instead of the server's own, a proxy's. `settings`: of each connection, as
  // "-c log_statement=all".
  std::string url(std::string_view host = {}, std::string_view settings = {}) const;

 private:
  std::string name_;
};

// Without rights but those that it is given; it goes, with what it owns, at the end.
class PlainRole {
 public:
  explicit PlainRole(const OwnSchema& schema);
  ~PlainRole();
  PlainRole(const PlainRole&) = delete;
  PlainRole& operator=(const PlainRole&) = delete;

  const std::string& name() const noexcept { return name_; }
  std::string url() const;  // the schema's, as this role

 private:
  std::string name_, url_;
};

}  // namespace fractal::testing

#endif
