// Invariant: every statement that was sent is in waiting_ until its result has been taken; so after run() and flush()
// nothing is on its way, and a connection of which this is not known is broken for good.
#include "backends/postgres/connection.h"

#include "src/error.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

namespace fractal::postgres_backend {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_unsent = 64u << 10;
constexpr std::chrono::milliseconds look_every{20};      // at the control
constexpr std::chrono::milliseconds cancel_takes{5000};  // beyond the server's own time-out, and after a cancellation

std::string message_of(const char* text) {
  std::string message = text == nullptr ? "" : text;
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message;
}

bool stopped(const Control* control) {
  if (control == nullptr) return false;
  return (control->cancel != nullptr && control->cancel->load()) || Clock::now() >= control->deadline;
}

// By what the caller can do (https://www.postgresql.org/docs/current/errcodes-appendix.html).
Errc code_of(std::string_view state) {
  if (state.starts_with("08") || state.starts_with("57") || state.starts_with("40") || state.starts_with("28") ||
      state == "55P03" || state == "53300" || state == "25P03" || state == "25P04" || state == "53200" ||
      state == "53000") {
    return Errc::unavailable;
  }
  if (state.starts_with("XX") && state != "XX000") return Errc::corruption;
  if (state == "25006" || state == "42501" || state == "0A000") return Errc::unsupported;
  return Errc::io;
}

int milliseconds_to(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

// Of PQconnectPoll or one statement.
bool poll_once(PGconn* handle, short events, int milliseconds) {
  pollfd waiting{.fd = PQsocket(handle), .events = events, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) > 0;
}

Result<void> connect(PGconn* handle, const Server& server) {
  const auto end = Clock::now() + server.connect_timeout;
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK && PQstatus(handle) != CONNECTION_BAD) {
    const int left = milliseconds_to(end);
    if (left == 0) return make_error(Errc::unavailable, "{}: connect: no answer within the time-out", server.name);
    if (!poll_once(handle, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, left)) continue;
    status = PQconnectPoll(handle);
    if (status == PGRES_POLLING_FAILED) break;
  }
  if (PQstatus(handle) == CONNECTION_OK) return {};
  return make_error(Errc::unavailable, "{}: connect: {}", server.name, message_of(PQerrorMessage(handle)));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Server& server) {
  std::unique_ptr<PGconn, decltype(&PQfinish)> handle(PQconnectStart(server.conninfo.c_str()), &PQfinish);
  if (!handle) return make_error(Errc::unavailable, "{}: connect: out of memory", server.name);
  PQsetNoticeProcessor(
      handle.get(), [](void*, const char*) {}, nullptr);  // else libpq prints what a server says that is shut down
  FRACTAL_TRY(connect(handle.get(), server));
  if (PQserverVersion(handle.get()) < 130'000) {
    return make_error(Errc::unsupported, "{}: connect: PostgreSQL {} is older than 13", server.name,
                      PQserverVersion(handle.get()) / 10'000);
  }
  PQsetnonblocking(handle.get(), 1);
  std::unique_ptr<Connection> connection(new Connection(handle.release(), server));
  FRACTAL_TRY(connection->script(server.setup, "connect"));
  return connection;
}

Connection::~Connection() { PQfinish(handle_); }

Error Connection::lost(std::string_view operation) {
  broken_ = true;
  return make_error(Errc::unavailable, "{}: {}: the connection is lost: {}", name_, operation,
                    message_of(PQerrorMessage(handle_)));
}

Error Connection::refused(std::string_view operation, const PGresult* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  // Without a state the message is libpq's own: the connection went.
  if (state == nullptr) {
    return make_error(Errc::unavailable, "{}: {}: {}", name_, operation, message_of(PQresultErrorMessage(result)));
  }
  gave_way_ = std::string_view(state).starts_with("40");
  return make_error(code_of(state), "{}: {}: {} ({})", name_, operation, message_of(text), state);
}

// PQcancel waits for the server without a limit. So a thread of its own does, which needs nothing of this connection and may
// outlive it. False: the server did not take it in time, and a later statement might be hit.
bool Connection::cancel() {
  PGcancel* const request = PQgetCancel(handle_);
  if (request == nullptr) return false;
  std::packaged_task<void()> ask([owned = std::shared_ptr<PGcancel>(request, &PQfreeCancel)] {
    std::array<char, 256> why{};
    PQcancel(owned.get(), why.data(), static_cast<int>(why.size()));
  });
  const auto asked = ask.get_future();
  std::thread(std::move(ask)).detach();
  return asked.wait_for(cancel_takes) == std::future_status::ready;
}

// ---- Waiting -----------------------------------------------------------------------------------------------------

Result<void> Connection::wait(std::string_view operation, bool to_write) {
  auto end = patient_ ? Clock::time_point::max() : Clock::now() + call_timeout_ + cancel_takes;
  bool cancelled = false;
  for (;;) {
    bool given_up = false;
    if (!cancelled && stopped(control_)) {
      cancelled = true;
      given_up = !cancel();
      end = Clock::now() + cancel_takes;
    }
    const short events = static_cast<short>(POLLIN | (to_write ? POLLOUT : 0));
    if (!given_up && poll_once(handle_, events, static_cast<int>(look_every.count()))) return {};
    if (!given_up && Clock::now() < end) continue;
    broken_ = true;
    return make_error(Errc::unavailable, "{}: {}: no answer within the time-out", name_, operation);
  }
}

Result<void> Connection::send_out(std::string_view operation) {
  for (;;) {
    const int left = PQflush(handle_);
    if (left < 0) return lost(operation);
    if (left == 0) break;
    FRACTAL_TRY(wait(operation, true));
    if (PQconsumeInput(handle_) == 0) return lost(operation);  // else both sides might wait to write
  }
  unsent_ = 0;
  return {};
}

Result<PGresult*> Connection::next_result(std::string_view operation) {
  while (PQisBusy(handle_) != 0) {
    FRACTAL_TRY(wait(operation, false));
    if (PQconsumeInput(handle_) == 0) return lost(operation);
  }
  return PQgetResult(handle_);
}

// ---- Statements --------------------------------------------------------------------------------------------------

Result<void> Connection::script(const std::string& sql, std::string_view operation) {
  if (broken()) return lost(operation);
  FRACTAL_TRY(check(operation));
  FRACTAL_TRY(flush());
  if (PQpipelineStatus(handle_) != PQ_PIPELINE_OFF && PQexitPipelineMode(handle_) == 0) return lost(operation);
  if (PQsendQuery(handle_, sql.c_str()) == 0) return lost(operation);
  FRACTAL_TRY(send_out(operation));
  std::optional<Error> error;
  for (;;) {
    FRACTAL_TRY_INTO(PGresult* const result, next_result(operation));
    if (result == nullptr) break;
    const Rows owner(result);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && !error) error = refused(operation, result);
  }
  if (broken()) return error ? *error : lost(operation);
  if (PQenterPipelineMode(handle_) == 0) return lost(operation);
  if (error) return *error;
  return {};
}

Result<std::string> Connection::prepared(std::string_view operation, std::string_view sql, std::span<const Oid> types) {
  std::string text(sql);
  if (const auto found = prepared_.find(text); found != prepared_.end()) return found->second;
  std::string name = fmt::format("f{}", ++names_);
  if (PQsendPrepare(handle_, name.c_str(), text.c_str(), static_cast<int>(types.size()), types.data()) == 0) {
    return lost(operation);
  }
  waiting_.push_back({.operation = operation, .wanted = false, .prepares = text, .sync = false});
  prepared_.emplace(std::move(text), name);
  return name;
}

Result<void> Connection::send(std::string_view operation, std::string_view sql, const Values& values, bool wanted,
                              Keep keep) {
  if (broken()) return lost(operation);
  const auto count = static_cast<std::size_t>(values.count());
  std::vector<const char*> data(count);
  std::vector<int> sizes(count), formats(count, 1);
  std::vector<Oid> types(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Values::Entry& entry = values.entries_[i];
    data[i] = entry.null ? nullptr : values.data_.data() + entry.begin;
    sizes[i] = entry.size;
    types[i] = entry.type;
  }
  std::string name;
  if (keep == Keep::prepared) { FRACTAL_TRY_INTO(name, prepared(operation, sql, types)); }
  const int sent = name.empty() ? PQsendQueryParams(handle_, std::string(sql).c_str(), values.count(), types.data(),
                                                    data.data(), sizes.data(), formats.data(), 1)
                                : PQsendQueryPrepared(handle_, name.c_str(), values.count(), data.data(), sizes.data(),
                                                      formats.data(), 1);
  if (sent == 0) return lost(operation);
  waiting_.push_back({.operation = operation, .wanted = wanted, .prepares = {}, .sync = false});
  unsent_ += values.size() + sql.size();
  if (unsent_ > most_unsent) return send_out(operation);
  return {};
}

// Takes what was queued, up to the sync that is put behind it. The first error counts: what follows it was not run. What
// an earlier use left, up to a sync of its own, is nobody's any more.
Result<std::vector<Rows>> Connection::collect(std::string_view operation) {
  if (broken()) return lost(operation);
  FRACTAL_TRY(check(operation));
  if (PQpipelineSync(handle_) == 0) return lost(operation);
  waiting_.push_back({.operation = operation, .wanted = false, .prepares = {}, .sync = true});
  FRACTAL_TRY(send_out(operation));
  std::vector<Rows> wanted;
  std::optional<Error> error;
  while (!waiting_.empty()) {
    const Waiting one = waiting_.front();
    waiting_.pop_front();
    FRACTAL_TRY(take_result(one, wanted, error));
    if (one.sync && !waiting_.empty()) wanted.clear(), error.reset();
  }
  used_at_ = Clock::now();
  if (!error) return wanted;
  if (stopped(control_)) FRACTAL_TRY(check(operation));
  return *error;
}

Result<void> Connection::take_result(const Waiting& one, std::vector<Rows>& wanted, std::optional<Error>& error) {
  if (one.sync) {
    FRACTAL_TRY_INTO(PGresult* const result, next_result(one.operation));
    const Rows owner(result);
    if (result == nullptr || PQresultStatus(result) != PGRES_PIPELINE_SYNC) return lost(one.operation);
    return {};
  }
  for (;;) {
    FRACTAL_TRY_INTO(PGresult* const result, next_result(one.operation));
    if (result == nullptr) return {};
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    const bool done = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (status == PGRES_FATAL_ERROR && !error) error = refused(one.operation, result);
    if (!done && !one.prepares.empty()) prepared_.erase(one.prepares);
    if (done && one.wanted) wanted.push_back(std::move(rows));
    if (broken()) return error ? *error : lost(one.operation);
  }
}

Result<Rows> Connection::run(const Statement& statement, const Values& values) {
  FRACTAL_TRY(ask(statement, values));
  FRACTAL_TRY_INTO(auto wanted, collect(statement.operation));
  return std::move(wanted.back());
}

Result<void> Connection::ask(const Statement& statement, const Values& values) {
  return send(statement.operation, statement.sql, values, true, Keep::prepared);
}

Result<void> Connection::ask(std::string_view operation, const std::string& sql, const Values& values) {
  return send(operation, sql, values, true, Keep::nothing);
}

Result<std::vector<Rows>> Connection::answers() {
  if (waiting_.empty()) return std::vector<Rows>{};
  return collect(waiting_.back().operation);
}

Result<Rows> Connection::run(std::string_view operation, const std::string& sql, const Values& values) {
  FRACTAL_TRY(ask(operation, sql, values));
  FRACTAL_TRY_INTO(auto wanted, collect(operation));
  return std::move(wanted.back());
}

Result<void> Connection::queue(const Statement& statement, const Values& values) {
  return send(statement.operation, statement.sql, values, false, Keep::prepared);
}

Result<void> Connection::flush() {
  if (waiting_.empty()) return {};
  const std::string_view operation = waiting_.back().operation;
  FRACTAL_TRY(collect(operation));
  return {};
}

Result<void> Connection::check(std::string_view operation) const {
  if (!stopped(control_)) return {};
  const bool cancelled = control_->cancel != nullptr && control_->cancel->load();
  return make_error(Errc::unavailable, "{}: {}: {}", name_, operation, cancelled ? "cancelled" : "deadline exceeded");
}

bool Connection::end_use() noexcept {
  try {
    control_ = nullptr;
    patient_ = gave_way_ = false;
    if (broken()) return false;
    const bool in_order = waiting_.empty() && PQtransactionStatus(handle_) == PQTRANS_IDLE;
    if (in_order) return true;
    if (!send("undo", "ROLLBACK", Values(), false, Keep::prepared) || PQpipelineSync(handle_) == 0) return false;
    waiting_.push_back({.operation = "undo", .wanted = false, .prepares = {}, .sync = true});
    return send_out("undo").has_value();
  } catch (const std::exception&) {  // no memory
    return false;
  }
}

bool Connection::alive() noexcept {
  for (int look = 0; look < 2 && !broken() && poll_once(handle_, POLLIN, 0); ++look) {
    if (PQconsumeInput(handle_) == 0) broken_ = true;  // first what the server said at its end, then that it is gone
  }
  return !broken();
}

Result<std::vector<std::string>> Connection::notices(std::chrono::milliseconds most, int wake) {
  std::array<pollfd, 2> both{pollfd{.fd = PQsocket(handle_), .events = POLLIN, .revents = 0},
                             pollfd{.fd = wake, .events = POLLIN, .revents = 0}};
  ::poll(both.data(), both.size(), static_cast<int>(most.count()));
  if (PQconsumeInput(handle_) == 0) return lost("listen");
  std::vector<std::string> notices;
  for (PGnotify* one = nullptr; (one = PQnotifies(handle_)) != nullptr;) {
    const std::unique_ptr<PGnotify, decltype(&PQfreemem)> owner(one, &PQfreemem);
    notices.emplace_back(one->extra);
  }
  return notices;
}

}  // namespace fractal::postgres_backend
