// A layer between SQLite and the file system, for tests: counts, logs and fails what SQLite does to its files.
#ifndef FRACTAL_TESTS_FAULTS_FAULT_VFS_H
#define FRACTAL_TESTS_FAULTS_FAULT_VFS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fractal::testing {

// `lock` is every lock of the file and of the shared index of its log; `map` a region of that index.
enum class Io { open, read, write, sync, truncate, remove, lock, map };
inline constexpr std::size_t io_kinds = 8;
inline constexpr Io every_io[] = {Io::open, Io::read, Io::write, Io::sync, Io::truncate, Io::remove, Io::lock, Io::map};
const char* name_of(Io kind);

enum class Lasting { once, for_ever };
enum class Failure { error, disk_full };

struct IoEvent {
  Io kind = Io::open;
  std::string file;  // the whole path; empty: a temporary file
};

// SQLite's default file system while it lives: make it before the first database is opened, and let it go after the
// last is closed. One at a time. Any thread may do I/O meanwhile.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // From now on calls are counted anew, and the n-th of the kind (from 1), or it and all later ones, fail.
  void fail(Io kind, std::uint64_t n, Lasting lasting, Failure failure = Failure::error);
  // No more failures; the counts go on.
  void heal();
  std::uint64_t calls(Io kind) const;
  std::uint64_t failures() const;

  // Off (as at first): syncs are counted and logged, but the disk is not waited for.
  void sync_for_real(bool real);

  // Writes, syncs and truncations in their order, from start_log() on.
  void start_log();
  std::size_t log_size() const;
  std::vector<IoEvent> log_from(std::size_t begin) const;
};

}  // namespace fractal::testing

#endif
