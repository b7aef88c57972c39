// A file that one holder at a time may lock: a process, or a handle within one. The kernel takes the lock back from a
// process that dies.
#ifndef FRACTAL_SRC_LOCK_FILE_H
#define FRACTAL_SRC_LOCK_FILE_H

#include <fractal/result.h>

#include <chrono>
#include <string>
#include <utility>

namespace fractal {

// One thread at a time. Goes unlocked.
class LockFile {
 public:
  // Made if need be; it stays empty. io: it cannot be made or opened.
  static Result<LockFile> open(const std::string& path, unsigned permissions);
  LockFile(LockFile&& other) noexcept
      : path_(std::move(other.path_)),
        permissions_(other.permissions_),
        descriptor_(std::exchange(other.descriptor_, -1)) {}
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

  // False: somebody else has it, still after so long.
  Result<bool> lock(std::chrono::milliseconds patience);
  void unlock() noexcept;
  // Of a locked one, which is unlocked by it: others who have it open make a new one.
  void remove() noexcept;

 private:
  LockFile(std::string path, unsigned permissions) : path_(std::move(path)), permissions_(permissions) {}
  Result<void> reopen();
  bool is_removed() const;

  std::string path_;
  unsigned permissions_;
  int descriptor_ = -1;
};

}  // namespace fractal

#endif
