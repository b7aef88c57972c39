// Invariant: row n + 1 of the table is entry n of the task.
#include "fts5_baseline.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cctype>
#include <stdexcept>
#include <string>

namespace fractal::quality {
namespace {

void check(bool ok, sqlite3* database) {
  if (!ok) throw std::runtime_error(fmt::format("FTS5: {}", sqlite3_errmsg(database)));
}

using Statement = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) == SQLITE_OK, database);
  return {statement, &sqlite3_finalize};
}

void bind_text(const Statement& statement, int place, const std::string& text) {
  sqlite3_bind_text(statement.get(), place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

std::string or_of_words(std::string_view question) {
  std::string expression, word;
  const auto finish = [&] {
    if (!word.empty()) expression += fmt::format("{}\"{}\"", expression.empty() ? "" : " OR ", word);
    word.clear();
  };
  for (const char c : question) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || byte >= 0x80) {
      word.push_back(c);
    } else {
      finish();
    }
  }
  finish();
  return expression;
}

}  // namespace

Fts5Baseline::Fts5Baseline(const Task& task) {
  sqlite3* database = nullptr;
  const int opened = sqlite3_open(":memory:", &database);
  database_.reset(database, &sqlite3_close);
  check(opened == SQLITE_OK, database);
  const char* create = "CREATE VIRTUAL TABLE memory USING fts5(text, context, tokenize = 'porter unicode61'); BEGIN";
  check(sqlite3_exec(database, create, nullptr, nullptr, nullptr) == SQLITE_OK, database);
  const Statement insert = prepare(database, "INSERT INTO memory(rowid, text, context) VALUES(?, ?, ?)");
  for (std::size_t i = 0; i < task.entries.size(); ++i) {
    sqlite3_bind_int64(insert.get(), 1, static_cast<sqlite3_int64>(i + 1));
    bind_text(insert, 2, task.entries[i].text);
    bind_text(insert, 3, task.entries[i].context);
    check(sqlite3_step(insert.get()) == SQLITE_DONE, database);
    sqlite3_reset(insert.get());
  }
  check(sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK, database);
}

std::vector<std::size_t> Fts5Baseline::search(std::string_view question) const {
  const Statement select =
      prepare(database_.get(), "SELECT rowid FROM memory WHERE memory MATCH ? ORDER BY bm25(memory, 1.0, 0.5), rowid");
  bind_text(select, 1, or_of_words(question));
  std::vector<std::size_t> found;
  int code = sqlite3_step(select.get());
  for (; code == SQLITE_ROW; code = sqlite3_step(select.get())) {
    found.push_back(static_cast<std::size_t>(sqlite3_column_int64(select.get(), 0) - 1));
  }
  check(code == SQLITE_DONE, database_.get());
  return found;
}

}  // namespace fractal::quality
