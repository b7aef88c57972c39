// All that this folder asks of the operating system: files, the folder they lie in, memory that shows them.
// Errors are `io` with the path, the call and the system's words, unless another code is named.
#ifndef FRACTAL_BACKENDS_HNSW_FILES_H
#define FRACTAL_BACKENDS_HNSW_FILES_H

#include <fractal/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fractal::hnsw {

// What tests put in the way of the calls below. In production there is none: a look at one pointer.
class FileFaults {
 public:
  enum class Call { open, create, read, write, truncate, sync, rename, remove, make_folder, sync_folder, map };
  virtual ~FileFaults() = default;
  // 0: the call is made. Otherwise it is not: it fails with this errno, or, if it is `pretend`, seems to succeed.
  // `bytes` of a write may be lowered.
  static constexpr int pretend = -1;
  virtual int before(Call call, const std::string& path, std::size_t& bytes) = 0;
};
// Set and unset while no other thread uses files.
extern FileFaults* file_faults;

// An open file. Not inherited by programs that this one starts. One thread at a time, but for read().
class File {
 public:
  // not_found: there is none.
  static Result<File> open_to_read(const std::string& path);
  static Result<File> open_to_write(const std::string& path);
  // Empty, whether there was one or not.
  static Result<File> create(const std::string& path, unsigned permissions);

  File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&&) = delete;
  ~File();

  const std::string& path() const noexcept { return path_; }
  Result<std::uint64_t> size() const;
  // All of it; corruption if the file ends before.
  Result<void> read(std::uint64_t offset, std::span<std::byte> bytes) const;
  // All of it, or an error: then any part may be there.
  Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  Result<void> truncate(std::uint64_t size);
  // What was written is on the disk, and so is the file's size.
  Result<void> sync();

 private:
  friend class Region;
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  static Result<File> open(const std::string& path, int flags, unsigned permissions, FileFaults::Call call);

  std::string path_;
  int descriptor_;
};

// Fine if it is there. It and its name are on the disk.
Result<void> make_folder(const std::string& path, unsigned permissions);
// The names in it are on the disk.
Result<void> sync_folder(const std::string& path);
// Of files; empty if there is no such folder.
Result<std::vector<std::string>> list_folder(const std::string& path);
Result<void> rename_file(const std::string& from, const std::string& to);
// Fine if it is gone.
Result<void> remove_file(const std::string& path);
// 0: there is none.
std::uint64_t file_bytes(const std::string& path);
// How much a program without special rights can still write there; none: unknown.
std::optional<std::uint64_t> free_bytes(const std::string& folder);

// A range of addresses, taken at once and filled part by part. Parts begin and end at multiples of 64 KiB,
// whatever the size of a page. Goes with the object.
class Region {
 public:
  static constexpr std::size_t part = 65536;

  static Result<std::shared_ptr<Region>> reserve(std::size_t bytes);
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  // The file's bytes, to be read only. It has to be that long, and must not become shorter: reading beyond its
  // end, or where the disk cannot be read, ends the program (SIGBUS).
  Result<void> map(std::size_t at, const File& file, std::uint64_t offset, std::size_t bytes);
  // Zeros that may be written.
  Result<void> fill(std::size_t at, std::size_t bytes);
  // The same memory as at `from`, another region's: false if the system cannot, and nothing has changed.
  Result<bool> share(std::size_t at, const std::byte* from, std::size_t bytes);
  // Not to be written from now on.
  Result<void> seal(std::size_t at, std::size_t bytes);
  // All of it is about to be read.
  void announce_read() const noexcept;

 private:
  Region(std::byte* data, std::size_t size) : data_(data), size_(size) {}

  std::byte* data_;
  std::size_t size_;
};

}  // namespace fractal::hnsw

#endif
