// Moving the log into the file (a checkpoint), beside the commits that make it grow.
#ifndef FRACTAL_BACKENDS_SQLITE_WRITE_AHEAD_LOG_H
#define FRACTAL_BACKENDS_SQLITE_WRITE_AHEAD_LOG_H

#include <fractal/fractal_memory.h>

#include "backends/sqlite/connection.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace fractal::sqlite_backend {

const char* synchronous(Durability durability);

// Any thread. Locks in this order: this, then the turn to write.
class WriteAheadLog {
 public:
  explicit WriteAheadLog(const Options& options);

  // From now on the commits of this connection are counted, and move nothing themselves.
  Result<void> watch(Connection& writer);

  // If the log has grown enough: keeps it from being begun anew until it has been tidied. In the turn of a commit,
  // behind it: only then is there something in the log for the reader to hold.
  void pin_if_due();

  // If the log is pinned: moves what was in it while others commit, and then, inside `write_turn`, the rest, so that
  // the next commit begins the log anew. What somebody still reads stays. One thread at a time; the others do not
  // wait. `write_turn` runs what it is given while nobody writes, in any process.
  using Move = std::function<Result<void>()>;
  void tidy(const std::function<Result<void>(const Move&)>& write_turn);
  // Until this is gone, nobody else moves the log, and it is not pinned.
  std::unique_lock<std::mutex> hold();

  // Why the last attempt failed, if it did. Never waits.
  std::optional<std::string> problem() const;

  // Before the writer closes: the last connection of all tidies the log away.
  void close();

 private:
  static int on_commit(void* self, sqlite3* handle, const char* database, int pages) noexcept;
  bool due() const noexcept;
  Result<void> open();
  Result<void> pin();
  void unpin() noexcept;
  void note(const Result<void>& outcome);
  Result<void> move();
  Result<void> move_beside_writers(const std::function<Result<void>(const Move&)>& write_turn);

  std::string path_;
  std::chrono::milliseconds busy_timeout_;
  Durability durability_;
  std::uint64_t bytes_kept_ = 64u << 20;  // of an empty log
  std::uint64_t step_ = 4096;             // pages
  std::atomic<std::uint64_t> pages_{0};   // in the log
  std::atomic<std::uint64_t> tried_{0};   // pages there were at the last attempt
  std::mutex mutex_;
  std::unique_ptr<Connection> mover_;
  std::unique_ptr<Connection> reader_;
  bool pinned_ = false;  // by a transaction of reader_
  mutable std::mutex problem_mutex_;
  std::optional<std::string> problem_;
};

}  // namespace fractal::sqlite_backend

#endif
