// One SQLite connection with its prepared statements, and the one place where SQLite's result codes
// become errors. The only header of the library that knows sqlite3.h; backends/sqlite alone includes it.
#ifndef FRACTAL_BACKENDS_SQLITE_CONNECTION_H
#define FRACTAL_BACKENDS_SQLITE_CONNECTION_H

#include <fractal/fractal_memory.h>

#include "backends/sqlite/statements.h"

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::sqlite_backend {

enum class Access {
  create,     // reads and writes, makes the file
  write,      // reads and writes
  read,       // reads; may make the log's side files
  immutable,  // reads a file that nobody changes: no locks, no side files, the log is not looked at
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, Access access,
                                                  std::chrono::milliseconds busy_timeout);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  sqlite3* handle() const noexcept { return handle_; }
  const std::string& path() const noexcept { return path_; }
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }

  // The error of the call that has just returned this code.
  Error error(int code, std::string_view operation) const;

  // Statements without a result, run once.
  Result<void> execute(const char* sql, std::string_view operation);
  // The first column of the first row; nullopt: no row.
  Result<std::optional<std::int64_t>> integer(const char* sql, std::string_view operation);

  // Statements stop with `unavailable` once the control says so. Null: never. The control must live
  // until the next call.
  void obey(const Control* control);
  // The same question, asked between statements.
  Result<void> check(std::string_view operation) const;

  // Whether calls wait for locks of others, as long as open() was told, or give up at once.
  void wait_for_others(bool wait) noexcept { sqlite3_busy_timeout(handle_, wait ? busy_milliseconds_ : 0); }

  // Whether close() moves the log into the file, if no other connection is left.
  void move_log_at_close(bool move) noexcept {
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, move ? 0 : 1, nullptr);
  }

  // Rolls back what is open, whatever state it is in.
  void rollback() noexcept;

 private:
  friend class Query;
  struct Text {
    std::string sql;
    sqlite3_stmt* statement;
    std::uint64_t used;
  };

  Connection(sqlite3* handle, std::string path, int busy_milliseconds)
      : handle_(handle), path_(std::move(path)), busy_milliseconds_(busy_milliseconds) {}
  int prepare(std::string_view sql, sqlite3_stmt** statement);
  int cached(std::string_view sql, sqlite3_stmt** statement, bool& owned);
  static int on_progress(void* self) noexcept;

  sqlite3* handle_;
  std::string path_;
  int busy_milliseconds_;
  std::array<sqlite3_stmt*, sql_count> fixed_{};
  std::vector<Text> texts_;
  std::uint64_t clock_ = 0;
  const Control* control_ = nullptr;
};

// obey() for as long as this lives.
class Obeying {
 public:
  Obeying(Connection& connection, const Control& control) : connection_(connection) { connection_.obey(&control); }
  ~Obeying() { connection_.obey(nullptr); }
  Obeying(const Obeying&) = delete;
  Obeying& operator=(const Obeying&) = delete;

 private:
  Connection& connection_;
};

// Bound values. Texts and blobs are not copied: they must live until the query is done.
struct TextValue {
  std::string_view bytes;
};
struct BlobValue {
  std::string_view bytes;
};

// A prepared statement borrowed from its connection with values bound; reset when it goes.
class Query {
 public:
  template <class... Values> Query(Connection& connection, Sql sql, const Values&... values) : connection_(connection) {
    take(sql);
    bind_all(values...);
  }
  // Of text made at run time; the connection remembers a few of them.
  template <class... Values>
  Query(Connection& connection, std::string_view sql, std::string_view operation, const Values&... values)
      : connection_(connection), operation_(operation) {
    take(sql);
    bind_all(values...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  void bind(int index, std::nullptr_t) { note(sqlite3_bind_null(statement_, index)); }
  void bind(int index, double value) { note(sqlite3_bind_double(statement_, index, value)); }
  template <std::integral T> void bind(int index, T value) {
    note(sqlite3_bind_int64(statement_, index, static_cast<sqlite3_int64>(value)));
  }
  void bind(int index, TextValue value) {
    note(sqlite3_bind_text64(statement_, index, start(value.bytes), value.bytes.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  void bind(int index, BlobValue value) {
    note(sqlite3_bind_blob64(statement_, index, start(value.bytes), value.bytes.size(), SQLITE_STATIC));
  }
  void bind(int index, Time value) { bind(index, value.time_since_epoch().count()); }
  void bind(int index, const std::optional<Time>& value) {
    if (value) return bind(index, *value);
    bind(index, nullptr);
  }
  void bind_pointer(int index, void* pointer, const char* type) {
    note(sqlite3_bind_pointer(statement_, index, pointer, type, nullptr));
  }
  // Binds anew to run once more.
  template <class... Values> void again(const Values&... values) {
    sqlite3_reset(statement_);
    bind_all(values...);
  }

  // True: there is a row. False: done.
  Result<bool> step();
  // To the end.
  Result<void> run();

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  double real(int column) const { return sqlite3_column_double(statement_, column); }
  bool null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  Time time(int column) const { return Time(std::chrono::microseconds(integer(column))); }
  // Texts and blobs, until the next step.
  std::string_view bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string_view()
                           : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
  }

 private:
  static const char* start(std::string_view bytes) noexcept { return bytes.data() == nullptr ? "" : bytes.data(); }
  void take(Sql sql);
  void take(std::string_view sql);
  void note(int code) noexcept {
    if (code != SQLITE_OK && failed_ == SQLITE_OK) failed_ = code;
  }
  template <class... Values> void bind_all(const Values&... values) {
    [[maybe_unused]] int index = 0;
    (bind(++index, values), ...);
  }

  Connection& connection_;
  std::string_view operation_;
  sqlite3_stmt* statement_ = nullptr;
  int failed_ = SQLITE_OK;
  bool owned_ = false;
};

}  // namespace fractal::sqlite_backend

#endif
