// Invariant: a call that the system made in part, or broke off for a signal, is brought to its end here; what returns
// without an error was done wholly.
#include "backends/hnsw/files.h"

#include "src/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>

namespace fractal::hnsw {

FileFaults* file_faults = nullptr;

namespace {

using Call = FileFaults::Call;

Error failed(const std::string& path, std::string_view call, int code) {
  return make_error(code == ENOENT ? Errc::not_found : Errc::io, "{}: {}: {}", path, call,
                    std::generic_category().message(code));
}

int fault(Call call, const std::string& path, std::size_t& bytes) {
  return file_faults == nullptr ? 0 : file_faults->before(call, path, bytes);
}

// What the call returns, unless it is -1: then errno, negated. Made again after a signal.
template <class Function>
std::int64_t attempt(Call call, const std::string& path, std::size_t& bytes, Function function) {
  for (;;) {
    if (const int code = fault(call, path, bytes); code != 0) return code == FileFaults::pretend ? 0 : -code;
    const std::int64_t result = function();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}
template <class Function> std::int64_t attempt(Call call, const std::string& path, Function function) {
  std::size_t none = 0;
  return attempt(call, path, none, function);
}

Result<void> done(std::int64_t result, const std::string& path, std::string_view call) {
  if (result < 0) return failed(path, call, static_cast<int>(-result));
  return {};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(number_); }
  int operator*() const { return number_; }

 private:
  int number_;
};

}  // namespace

Result<File> File::open(const std::string& path, int flags, unsigned permissions, Call call) {
  const auto result =
      attempt(call, path, [&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, permissions); });
  if (result < 0) return failed(path, "open", static_cast<int>(-result));
  File file(path, static_cast<int>(result));
  struct stat status {};
  if (::fstat(file.descriptor_, &status) != 0) return failed(path, "stat", errno);
  if (!S_ISREG(status.st_mode)) return make_error(Errc::io, "{}: open: not a regular file", path);
  return file;
}

// Without waiting, in case it is a pipe that somebody has put there.
Result<File> File::open_to_read(const std::string& path) { return open(path, O_RDONLY | O_NONBLOCK, 0, Call::open); }
Result<File> File::open_to_write(const std::string& path) { return open(path, O_RDWR | O_NONBLOCK, 0, Call::open); }
Result<File> File::create(const std::string& path, unsigned permissions) {
  return open(path, O_RDWR | O_NONBLOCK | O_CREAT | O_TRUNC, permissions, Call::create);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return failed(path_, "stat", errno);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> File::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto result = attempt(Call::read, path_, [&] {
      return ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    FRACTAL_TRY(done(result, path_, "read"));
    if (result == 0) return make_error(Errc::corruption, "{}: ends at byte {}", path_, offset);
    offset += static_cast<std::uint64_t>(result);
    bytes = bytes.subspan(static_cast<std::size_t>(result));
  }
  return {};
}

Result<void> File::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    std::size_t length = bytes.size();
    const auto result = attempt(Call::write, path_, length, [&] {
      return ::pwrite(descriptor_, bytes.data(), length, static_cast<off_t>(offset));
    });
    FRACTAL_TRY(done(result, path_, "write"));
    if (result == 0) return failed(path_, "write", ENOSPC);
    offset += static_cast<std::uint64_t>(result);
    bytes = bytes.subspan(static_cast<std::size_t>(result));
  }
  return {};
}

Result<void> File::truncate(std::uint64_t size) {
  return done(attempt(Call::truncate, path_, [&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }), path_,
              "truncate");
}

Result<void> File::sync() {
  return done(attempt(Call::sync, path_, [&] { return ::fsync(descriptor_); }), path_, "sync");
}

Result<void> make_folder(const std::string& path, unsigned permissions) {
  const auto result = attempt(Call::make_folder, path, [&] { return ::mkdir(path.c_str(), permissions); });
  if (result == -EEXIST) return {};
  FRACTAL_TRY(done(result, path, "make folder"));
  const auto parent = std::filesystem::path(path).parent_path().string();
  return sync_folder(parent.empty() ? "." : parent);
}

Result<void> sync_folder(const std::string& path) {
  const int number = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (number < 0) return failed(path, "open folder", errno);
  const Descriptor folder(number);
  const auto result = attempt(Call::sync_folder, path, [&] { return ::fsync(*folder); });
  if (result == -EINVAL) return {};  // a file system that has nothing to sync there
  return done(result, path, "sync folder");
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder && errno == ENOENT) return names;
  if (!folder) return failed(path, "open folder", errno);
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(folder.get());  // NOLINT(concurrency-mt-unsafe): of a stream of our own
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  if (errno != 0) return failed(path, "list", errno);
  return names;
}

Result<void> rename_file(const std::string& from, const std::string& to) {
  return done(attempt(Call::rename, from, [&] { return std::rename(from.c_str(), to.c_str()); }), from, "rename");
}

Result<void> remove_file(const std::string& path) {
  const auto result = attempt(Call::remove, path, [&] { return ::unlink(path.c_str()); });
  return result == -ENOENT ? Result<void>() : done(result, path, "remove");
}

std::uint64_t file_bytes(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::optional<std::uint64_t> free_bytes(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

namespace {

constexpr const char* memory = "memory";

Result<void> place(void* at, std::size_t bytes, int protection, int flags, int descriptor, std::uint64_t offset,
                   const std::string& path) {
  std::size_t length = bytes;
  if (const int code = fault(Call::map, path, length); code != 0) return failed(path, "map", code);
  if (::mmap(at, bytes, protection, flags | MAP_FIXED, descriptor, static_cast<off_t>(offset)) == MAP_FAILED) {
    return failed(path, "map", errno);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Region>> Region::reserve(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) return failed(memory, "map", ENOMEM);
  const std::size_t size = (bytes + part - 1) / part * part;
  void* const data = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return failed(memory, "map", errno);
  return std::shared_ptr<Region>(new Region(static_cast<std::byte*>(data), size));
}

Region::~Region() { ::munmap(data_, size_); }

Result<void> Region::map(std::size_t at, const File& file, std::uint64_t offset, std::size_t bytes) {
  if (bytes == 0) return {};
  return place(data_ + at, bytes, PROT_READ, MAP_SHARED, file.descriptor_, offset, file.path());
}

// Shared, not private, so that share() can show it a second time.
Result<void> Region::fill(std::size_t at, std::size_t bytes) {
  if (bytes == 0) return {};
  return place(data_ + at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0, memory);
}

// First anywhere, where a failure leaves no hole in the range for another thread's memory to slip into. (mremap of
// no bytes makes a second mapping of shared pages.)
Result<bool> Region::share(std::size_t at, const std::byte* from, std::size_t bytes) {
  if (bytes == 0) return true;
  void* const second = ::mremap(const_cast<std::byte*>(from), 0, bytes, MREMAP_MAYMOVE);
  if (second == MAP_FAILED) return false;
  if (::mremap(second, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, data_ + at) == MAP_FAILED) {
    const int code = errno;
    ::munmap(second, bytes);
    return failed(memory, "map", code);
  }
  FRACTAL_TRY(seal(at, bytes));
  return true;
}

Result<void> Region::seal(std::size_t at, std::size_t bytes) {
  if (bytes > 0 && ::mprotect(data_ + at, bytes, PROT_READ) != 0) return failed(memory, "protect", errno);
  return {};
}

void Region::announce_read() const noexcept { ::madvise(data_, size_, MADV_WILLNEED); }

}  // namespace fractal::hnsw
