// An open database file: one connection that writes, and as many that read as are needed at once.
#ifndef FRACTAL_BACKENDS_SQLITE_FILE_H
#define FRACTAL_BACKENDS_SQLITE_FILE_H

#include <fractal/backend.h>

#include "backends/sqlite/connection.h"
#include "backends/sqlite/write_ahead_log.h"
#include "src/lock_file.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace fractal::sqlite_backend {

class File;

// A reader connection for as long as this lives; then the file has it back.
class Lease {
 public:
  Lease(std::shared_ptr<File> file, std::unique_ptr<Connection> connection)
      : file_(std::move(file)), connection_(std::move(connection)) {}
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease();
  Connection& operator*() const noexcept { return *connection_; }
  Connection* operator->() const noexcept { return connection_.get(); }

 private:
  std::shared_ptr<File> file_;
  std::unique_ptr<Connection> connection_;
};

// Lives as long as the storage or one of its views. Any thread.
class File : public std::enable_shared_from_this<File> {
 public:
  // Every way a file can be wrong is an error here, and such a file is left as it was.
  static Result<std::shared_ptr<File>> open(const Options& options);

  const std::string& path() const noexcept { return path_; }
  bool read_only() const noexcept { return writer_ == nullptr; }

  Result<Lease> reader();

  // The writer, for one at a time over all processes.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : lock_(std::move(other.lock_)), file_(other.file_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (lock_) file_.others_->unlock();
    }
    Connection& operator*() const noexcept { return *file_.writer_; }
    Connection* operator->() const noexcept { return file_.writer_.get(); }

   private:
    friend class File;
    Turn(std::unique_lock<std::mutex> lock, File& file) : lock_(std::move(lock)), file_(file) {}
    std::unique_lock<std::mutex> lock_;
    File& file_;
  };
  // unsupported: opened read-only. unavailable: another process writes for longer than Options::busy_timeout.
  Result<Turn> writer(std::string_view operation);

  // See WriteAheadLog. The first within the turn of a commit, the others outside of any.
  void pin_log_if_due() { log_.pin_if_due(); }
  void tidy_log();
  std::unique_lock<std::mutex> hold_log() { return log_.hold(); }
  std::optional<std::string> log_problem() const { return log_.problem(); }

  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

 private:
  friend class Lease;
  File(const Options& options, Access read_access, std::unique_ptr<Connection> writer, std::optional<LockFile> others);
  void give_back(std::unique_ptr<Connection> connection) noexcept;

  std::string path_;
  Access read_access_;
  std::chrono::milliseconds busy_timeout_;
  std::uint64_t reader_cache_kib_;
  std::mutex writer_mutex_;
  std::optional<LockFile> others_;      // locked by the process whose turn to write it is; none: opened read-only
  std::unique_ptr<Connection> writer_;  // closed after the readers: the last to close tidies the log away
  WriteAheadLog log_;
  std::mutex idle_mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace fractal::sqlite_backend

#endif
