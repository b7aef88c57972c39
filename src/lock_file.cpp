// Invariant: a lock is on the file that has the name now: only who has locked it removes it, and a lock on a removed one
// does not count.
#include "src/lock_file.h"

#include "src/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace fractal {
namespace {

Error failed(const std::string& path, const char* call) {
  return make_error(Errc::io, "{}: {}: {}", path, call, std::generic_category().message(errno));
}

}  // namespace

Result<LockFile> LockFile::open(const std::string& path, unsigned permissions) {
  LockFile file(path, permissions);
  FRACTAL_TRY(file.reopen());
  return file;
}

// Whoever may write the database may lock its file: a new one has the database's permissions, whatever the umask, and to
// lock one that is there takes no right to write it.
Result<void> LockFile::reopen() {
  if (descriptor_ >= 0) ::close(descriptor_);
  for (;;) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, permissions_);
    if (descriptor_ >= 0) {
      ::fchmod(descriptor_, permissions_);
      return {};
    }
    if (errno != EEXIST) return failed(path_, "open");
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor_ < 0 && errno == EACCES) descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor_ >= 0) return {};
    if (errno != ENOENT) return failed(path_, "open");  // else it was removed between the two
  }
}

LockFile::~LockFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool LockFile::is_removed() const {
  struct stat status {};
  return ::fstat(descriptor_, &status) != 0 || status.st_nlink == 0;
}

// flock() can wait, but not for so long and no longer.
Result<bool> LockFile::lock(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (std::chrono::microseconds pause{50};; pause = std::min(2 * pause, std::chrono::microseconds(1000))) {
    if (descriptor_ < 0) FRACTAL_TRY(reopen());
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
      if (!is_removed()) return true;
      ::close(std::exchange(descriptor_, -1));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return failed(path_, "lock");
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
  }
}

void LockFile::unlock() noexcept { ::flock(descriptor_, LOCK_UN); }

void LockFile::remove() noexcept {
  ::unlink(path_.c_str());
  unlock();
}

}  // namespace fractal
