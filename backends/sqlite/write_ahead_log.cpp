// Invariant: while the log is moved, it is not begun anew: either nobody can write, or a reader whose mark was set
// behind a commit, in its turn, is in the way. SQLite before 3.51.3 may mix old pages with new ones otherwise (its
// WAL-reset defect). And the log grows by little more than one step beyond what somebody still reads, however fast
// writers are: what they commit during the first pass is moved by a second one, which nobody writes beside.
#include "backends/sqlite/write_ahead_log.h"

#include "src/error.h"

#include <algorithm>

namespace fractal::sqlite_backend {
namespace {
constexpr std::uint64_t page_bytes = 4096;
}

const char* synchronous(Durability durability) {
  switch (durability) {
    case Durability::full: return "FULL";
    case Durability::normal: return "NORMAL";
    case Durability::off: break;
  }
  return "OFF";
}

WriteAheadLog::WriteAheadLog(const Options& options)
    : path_(options.path), busy_timeout_(options.busy_timeout), durability_(options.durability) {
  if (options.disk_budget == 0) return;
  bytes_kept_ = std::min(bytes_kept_, options.disk_budget / 16);
  step_ = std::clamp<std::uint64_t>(bytes_kept_ / page_bytes, 1, step_);
}

Result<void> WriteAheadLog::watch(Connection& writer) {
  const std::string limit = fmt::format("PRAGMA journal_size_limit = {}", bytes_kept_);
  FRACTAL_TRY(writer.execute(limit.c_str(), "open"));
  sqlite3_wal_hook(writer.handle(), &on_commit, this);
  return {};
}

int WriteAheadLog::on_commit(void* self, sqlite3*, const char*, int pages) noexcept {
  auto& log = *static_cast<WriteAheadLog*>(self);
  const auto now = static_cast<std::uint64_t>(std::max(pages, 0));
  if (now < log.pages_.exchange(now)) log.tried_ = 0;  // begun anew
  return SQLITE_OK;
}

bool WriteAheadLog::due() const noexcept {
  const std::uint64_t pages = pages_, tried = tried_;
  return pages >= tried && pages - tried >= step_;
}

void WriteAheadLog::pin_if_due() {
  if (!due()) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || pinned_) return;
  if (const auto pinned = pin(); !pinned) {
    note(pinned);
    tried_ = pages_.load();
  }
}

Result<void> WriteAheadLog::pin() {
  FRACTAL_TRY(open());
  FRACTAL_TRY(Query(*reader_, Sql::begin_read).run());
  pinned_ = true;
  auto begun = reader_->integer("SELECT count(*) FROM sqlite_schema", "checkpoint");  // only now it reads
  if (begun) return {};
  unpin();
  return std::move(begun).error();
}

void WriteAheadLog::unpin() noexcept {
  if (pinned_) reader_->rollback();
  pinned_ = false;
}

void WriteAheadLog::tidy(const std::function<Result<void>(const Move&)>& write_turn) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || !pinned_) return;
  const auto moved = move_beside_writers(write_turn);
  unpin();
  if (!moved) tried_ = pages_.load();
  note(moved);
}

Result<void> WriteAheadLog::move_beside_writers(const std::function<Result<void>(const Move&)>& write_turn) {
  FRACTAL_TRY(move());
  return write_turn([this]() -> Result<void> {
    unpin();
    FRACTAL_TRY(move());
    tried_ = pages_.load();  // here nobody begins the log anew
    return {};
  });
}

std::unique_lock<std::mutex> WriteAheadLog::hold() {
  std::unique_lock lock(mutex_);
  unpin();
  return lock;
}

// Somebody else who writes for long is no fault of the file.
void WriteAheadLog::note(const Result<void>& outcome) {
  const std::lock_guard lock(problem_mutex_);
  problem_.reset();
  if (!outcome && outcome.error().code != Errc::unavailable) problem_ = outcome.error().message;
}

std::optional<std::string> WriteAheadLog::problem() const {
  const std::lock_guard lock(problem_mutex_);
  return problem_;
}

void WriteAheadLog::close() {
  unpin();
  reader_.reset();
  mover_.reset();
}

// Connections of its own: that of the writer is at work, and those of readers come and go.
Result<void> WriteAheadLog::open() {
  if (reader_) return {};
  FRACTAL_TRY_INTO(auto mover, Connection::open(path_, Access::write, busy_timeout_));
  mover->move_log_at_close(false);
  mover->wait_for_others(false);
  const std::string sync = fmt::format("PRAGMA synchronous = {}", synchronous(durability_));
  FRACTAL_TRY(mover->execute(sync.c_str(), "checkpoint"));
  FRACTAL_TRY_INTO(reader_, Connection::open(path_, Access::read, busy_timeout_));
  mover_ = std::move(mover);
  return {};
}

// Another process that does the same is left to do it.
Result<void> WriteAheadLog::move() {
  const int code = sqlite3_wal_checkpoint_v2(mover_->handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return mover_->error(code, "checkpoint");
  return {};
}

}  // namespace fractal::sqlite_backend
