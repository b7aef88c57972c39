// Invariant: nothing that was there is overwritten, and a file appears under the name asked for only when
// it is whole and on the disk.
#include "backends/sqlite/backup.h"

#include "src/error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fractal::sqlite_backend {
namespace {

constexpr int pages_per_step = 512;

Error system_error(const std::string& path, std::string_view what) {
  return make_error(Errc::io, "{}: backup: {}: {}", path, what, std::generic_category().message(errno));
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 || errno != ENOENT;
}

// Takes the name for us, or fails.
Result<void> claim(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (descriptor < 0) return system_error(path, "cannot be made");
  ::close(descriptor);
  return {};
}

// Makes a new name in a directory last.
Result<void> sync_directory_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return system_error(directory, "open");
  const int synced = ::fsync(descriptor);
  const Error error = system_error(directory, "sync");
  ::close(descriptor);
  if (synced != 0) return error;
  return {};
}

// A link fails if the name is taken; a rename would not.
Result<void> publish(const std::string& partial, const std::string& path) {
  if (::link(partial.c_str(), path.c_str()) == 0) {
    ::unlink(partial.c_str());
  } else {
    // Other errors: a file system without links.
    const bool taken = errno == EEXIST || exists(path);
    if (taken || ::rename(partial.c_str(), path.c_str()) != 0) return system_error(path, "publish");
  }
  return sync_directory_of(path);
}

// The transaction begins with its first read.
Result<void> pin(Connection& source) {
  FRACTAL_TRY(Query(source, Sql::begin_read).run());
  return Query(source, Sql::setting, TextValue{{}}).run();
}

Result<void> copy(Connection& source, const std::string& partial, const Control& control) {
  FRACTAL_TRY_INTO(const auto target, Connection::open(partial, Access::write, std::chrono::milliseconds(0)));
  FRACTAL_TRY(target->execute("PRAGMA synchronous = FULL", "backup"));
  sqlite3_backup* const backup = sqlite3_backup_init(target->handle(), "main", source.handle(), "main");
  if (backup == nullptr) return target->error(sqlite3_errcode(target->handle()), "backup");
  int code = SQLITE_OK;
  Result<void> stopped = source.check("backup");
  while (code == SQLITE_OK && stopped) {
    code = sqlite3_backup_step(backup, pages_per_step);
    const auto total = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup));
    const auto left = static_cast<std::uint64_t>(sqlite3_backup_remaining(backup));
    if (control.progress) control.progress(total - left, total);
    if (code == SQLITE_OK) stopped = source.check("backup");
  }
  const int finished = sqlite3_backup_finish(backup);
  FRACTAL_TRY(stopped);
  if (code != SQLITE_DONE) return target->error(code, "backup");
  if (finished != SQLITE_OK) return target->error(finished, "backup");
  return {};
}

}  // namespace

Result<void> back_up(Connection& source, const std::string& path, const Control& control) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return make_error(Errc::invalid_argument, "backup: \"{}\" is not the path of a file", path);
  }
  // A log left behind would be taken for that of the copy.
  for (const std::string& name : {path, path + "-wal", path + "-journal"}) {
    if (exists(name)) return make_error(Errc::io, "{}: backup: exists already", name);
  }
  const std::string partial = path + ".partial";
  FRACTAL_TRY(claim(partial));
  // The transaction pins the moment: without it every commit meanwhile would make the copy begin anew.
  Result<void> done = pin(source);
  if (done) done = copy(source, partial, control);
  source.rollback();
  if (done) done = publish(partial, path);
  if (!done) {
    for (const char* const suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((partial + suffix).c_str());
  }
  return done;
}

}  // namespace fractal::sqlite_backend
