// Invariant: a statement is given out once it is whole in the log: the server writes its line before it runs it.
#include "tests/postgres/statement_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace fractal::testing {
namespace {

std::string_view take_line(std::string_view& log) {
  const std::string_view line = log.substr(0, log.find('\n'));
  log.remove_prefix(std::min(line.size() + 1, log.size()));
  return line;
}

// A line and those that continue it, which begin with a tab.
std::string next_entry(std::string_view& log) {
  std::string entry(take_line(log));
  while (log.starts_with('\t')) entry.append("\n").append(take_line(log).substr(1));
  return entry;
}

// "... [1234] LOG:  execute f1: SELECT 1": process, and what follows the level.
struct Entry {
  std::string_view process{}, level{}, message{};
};
std::optional<Entry> parse_entry(std::string_view line) {
  const auto open = line.find('['), close = line.find("] ", open);
  if (close == line.npos) return std::nullopt;
  const auto colon = line.find(":  ", close);
  if (colon == line.npos) return std::nullopt;
  return Entry{.process = line.substr(open + 1, close - open - 1),
               .level = line.substr(close + 2, colon - close - 2),
               .message = line.substr(colon + 3)};
}

std::optional<std::string> statement_of(std::string_view message) {
  if (message.starts_with("statement: ")) return std::string(message.substr(11));
  if (!message.starts_with("execute ")) return std::nullopt;
  return std::string(message.substr(message.find(": ") + 2));
}

// "parameters: $1 = 'it''s', $2 = NULL"
std::vector<std::string> values_of(std::string_view detail) {
  std::vector<std::string> values;
  while (!detail.empty()) {
    detail.remove_prefix(std::min(detail.find(" = ") + 3, detail.size()));
    std::string value;
    if (!detail.starts_with('\'')) {
      value = detail.substr(0, detail.find(','));
      detail.remove_prefix(value.size());
    } else {
      detail.remove_prefix(1);
      while (!detail.empty()) {
        if (detail.starts_with("''")) {
          detail.remove_prefix(1);
        } else if (detail.starts_with('\'')) {
          break;
        }
        value += detail.front();
        detail.remove_prefix(1);
      }
      detail.remove_prefix(std::min<std::size_t>(1, detail.size()));
    }
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

std::vector<LoggedStatement> statements_in(std::string_view log, const std::set<std::string>& processes) {
  std::vector<LoggedStatement> statements;
  std::string last;
  while (!log.empty()) {
    const std::string line = next_entry(log);
    const auto entry = parse_entry(line);
    if (!entry || !processes.contains(std::string(entry->process))) continue;
    if (entry->level == "LOG") {
      if (auto text = statement_of(entry->message)) {
        statements.push_back({.text = std::move(*text), .values = {}});
        last = entry->process;
      }
    } else if (entry->level == "DETAIL" && last == entry->process && !statements.empty() &&
               entry->message.starts_with("parameters: ")) {
      statements.back().values = values_of(entry->message.substr(std::string_view("parameters:").size()));
    }
  }
  return statements;
}

StatementLog::StatementLog(const OwnSchema& schema) : name_(schema.name()), file_(sql_.folder() + "/log") {
  read_ = std::stoull(sql_.value("SELECT size FROM pg_stat_file($1)", {file_}));
}

std::vector<LoggedStatement> StatementLog::take() {
  for (const auto& row : sql_.rows("SELECT pid FROM pg_stat_activity WHERE application_name = $1", {name_})) {
    processes_.insert(row[0]);
  }
  // As text: what is no UTF-8 in the log is of no statement of a client whose encoding it is.
  const std::string log = sql_.value("SELECT pg_read_file($1, $2::bigint, 1 << 28)", {file_, fmt::to_string(read_)});
  read_ += log.size();
  return statements_in(log, processes_);
}

}  // namespace fractal::testing
