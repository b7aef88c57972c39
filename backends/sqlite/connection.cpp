// Invariant: a statement is always reset before it can be used again, and no SQLite result code leaves
// this file without having become an Error that names the file, the operation and SQLite's own words.
#include "backends/sqlite/connection.h"

#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <cstring>
#include <system_error>

namespace fractal::sqlite_backend {
namespace {

// Statements of texts made at run time that a connection remembers.
constexpr std::size_t remembered_texts = 32;
constexpr std::int64_t longest_wait = std::int64_t{24} * 3600 * 1000;  // milliseconds
// Instructions of SQLite's machine between two looks at the control: a few microseconds.
constexpr int instructions_per_look = 1000;

Errc code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
    case SQLITE_NOMEM: return Errc::unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:  // two rows where the core knows of one
    case SQLITE_ERROR:       // a table or column that is not there
      return Errc::corruption;
    case SQLITE_TOOBIG: return Errc::unsupported;
    default: return Errc::io;
  }
}

std::string words_of(sqlite3* handle, int result) {
  // Before a handle exists, and after a call that did not set it, the handle has no message of this code.
  const bool known = handle != nullptr && (sqlite3_errcode(handle) & 0xff) == (result & 0xff);
  std::string words = known ? sqlite3_errmsg(handle) : sqlite3_errstr(result);
  const int base = result & 0xff;
  if (handle != nullptr && (base == SQLITE_CANTOPEN || base == SQLITE_IOERR || base == SQLITE_READONLY)) {
    if (const int number = sqlite3_system_errno(handle); number != 0) {
      words += fmt::format(" ({})", std::generic_category().message(number));
    }
  }
  return words;
}

// As a URI, in which only these letters mean themselves.
std::string uri_of(const std::string& path, std::string_view query) {
  std::string uri = "file:";
  std::string_view rest = path;
  while (rest.size() > 1 && rest[0] == '/' && rest[1] == '/') rest.remove_prefix(1);  // not a host name
  for (const char c : rest) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri.append(query);
}

int flags_of(Access access) {
  constexpr int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE;
  switch (access) {
    case Access::create: return common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    case Access::write: return common | SQLITE_OPEN_READWRITE;
    default: return common | SQLITE_OPEN_READONLY;
  }
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access,
                                                     std::chrono::milliseconds busy_timeout) {
  sqlite3* handle = nullptr;
  const std::string uri = uri_of(path, access == Access::immutable ? "?immutable=1" : "");
  const int code = sqlite3_open_v2(uri.c_str(), &handle, flags_of(access), nullptr);
  if (code != SQLITE_OK) {
    Error error = make_error(code_of(code), "{}: open: {}", path, words_of(handle, code));
    sqlite3_close(handle);
    return error;
  }
  sqlite3_extended_result_codes(handle, 1);
  // A file made by somebody else runs nothing of its own in our process.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  const auto wait = static_cast<int>(std::clamp<std::int64_t>(busy_timeout.count(), 0, longest_wait));
  std::unique_ptr<Connection> connection(new Connection(handle, path, wait));
  connection->wait_for_others(true);
  return connection;
}

Connection::~Connection() {
  for (sqlite3_stmt* statement : fixed_) sqlite3_finalize(statement);
  for (const Text& text : texts_) sqlite3_finalize(text.statement);
  sqlite3_close(handle_);
}

Error Connection::error(int code, std::string_view operation) const {
  if ((code & 0xff) == SQLITE_INTERRUPT && control_ != nullptr) {
    if (auto stopped = check(operation); !stopped) return std::move(stopped).error();
  }
  return make_error(code_of(code), "{}: {}: {}", path_, operation, words_of(handle_, code));
}

Result<void> Connection::execute(const char* sql, std::string_view operation) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, operation);
  return {};
}

Result<std::optional<std::int64_t>> Connection::integer(const char* sql, std::string_view operation) {
  Query query(*this, std::string_view(sql), operation);
  FRACTAL_TRY_INTO(const bool row, query.step());
  return row ? std::optional(query.integer(0)) : std::nullopt;
}

void Connection::obey(const Control* control) {
  const bool stoppable = control != nullptr && (control->cancel != nullptr ||
                                                control->deadline != std::chrono::steady_clock::time_point::max());
  control_ = stoppable ? control : nullptr;
  sqlite3_progress_handler(handle_, stoppable ? instructions_per_look : 0, stoppable ? &on_progress : nullptr, this);
}

int Connection::on_progress(void* self) noexcept {
  const Control& control = *static_cast<const Connection*>(self)->control_;
  if (control.cancel != nullptr && control.cancel->load(std::memory_order_relaxed)) return 1;
  return control.deadline != std::chrono::steady_clock::time_point::max() &&
                 std::chrono::steady_clock::now() >= control.deadline
             ? 1
             : 0;
}

Result<void> Connection::check(std::string_view operation) const {
  if (control_ == nullptr) return {};
  return check_control(*control_, operation);
}

void Connection::rollback() noexcept {
  if (in_transaction()) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

int Connection::prepare(std::string_view sql, sqlite3_stmt** statement) {
  return sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, statement,
                            nullptr);
}

int Connection::cached(std::string_view sql, sqlite3_stmt** statement, bool& owned) {
  const auto found = std::find_if(texts_.begin(), texts_.end(), [&](const Text& text) { return text.sql == sql; });
  if (found != texts_.end()) {
    found->used = ++clock_;
    owned = sqlite3_stmt_busy(found->statement) != 0;
    if (owned) return prepare(sql, statement);
    *statement = found->statement;
    return SQLITE_OK;
  }
  if (const int code = prepare(sql, statement); code != SQLITE_OK) return code;
  const auto oldest = std::min_element(texts_.begin(), texts_.end(),
                                       [](const Text& left, const Text& right) { return left.used < right.used; });
  if (texts_.size() >= remembered_texts) {
    owned = sqlite3_stmt_busy(oldest->statement) != 0;
    if (owned) return SQLITE_OK;
    sqlite3_finalize(oldest->statement);
    oldest->statement = nullptr;
    *oldest = Text{std::string(sql), *statement, ++clock_};
    return SQLITE_OK;
  }
  texts_.push_back({std::string(sql), *statement, ++clock_});
  return SQLITE_OK;
}

void Query::take(Sql sql) {
  const SqlText& text = sql_text(sql);
  operation_ = text.operation;
  sqlite3_stmt*& kept = connection_.fixed_[static_cast<std::size_t>(sql)];
  if (kept == nullptr) note(connection_.prepare(text.sql, &kept));
  if (kept != nullptr && sqlite3_stmt_busy(kept) != 0) {  // used inside its own visitor
    owned_ = true;
    note(connection_.prepare(text.sql, &statement_));
    return;
  }
  statement_ = kept;
}

void Query::take(std::string_view sql) { note(connection_.cached(sql, &statement_, owned_)); }

Query::~Query() {
  if (owned_) {
    sqlite3_finalize(statement_);
  } else {
    sqlite3_reset(statement_);
  }
}

Result<bool> Query::step() {
  if (failed_ != SQLITE_OK) return connection_.error(failed_, operation_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_.error(code, operation_);
}

Result<void> Query::run() {
  for (;;) {
    auto row = step();
    if (!row) return std::move(row).error();
    if (!*row) return {};
  }
}

}  // namespace fractal::sqlite_backend
