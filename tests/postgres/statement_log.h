// The server's log of the statements of one test's connections (log_statement = all), as it wrote them.
#ifndef FRACTAL_TESTS_POSTGRES_STATEMENT_LOG_H
#define FRACTAL_TESTS_POSTGRES_STATEMENT_LOG_H

#include "tests/postgres/own_schema.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::testing {

struct LoggedStatement {
  std::string text{};
  std::vector<std::string> values{};  // of $1, $2, ... as texts; a NULL is "NULL"

  friend bool operator==(const LoggedStatement&, const LoggedStatement&) = default;
};

// Of lines as the server writes them with log_line_prefix = '%m [%p] ': those of these processes.
std::vector<LoggedStatement> statements_in(std::string_view log, const std::set<std::string>& processes);

// Reads on from where the log ended when it was made. The file is the one that tools/services has the server write.
class StatementLog {
 public:
  explicit StatementLog(const OwnSchema& schema);
  // What the schema's connections have run since the last call.
  std::vector<LoggedStatement> take();

 private:
  std::string name_;
  Sql sql_{};
  std::string file_;
  std::uint64_t read_ = 0;
  std::set<std::string> processes_{};
};

}  // namespace fractal::testing

#endif
