// Invariant: only files whose names FileName::parse() takes for this space's are ever looked at or removed; the lock's
// file stays for good, for another process may be waiting for it.
#include "backends/hnsw/generation.h"

#include "backends/hnsw/files.h"
#include "backends/hnsw/generation_image.h"
#include "src/error.h"
#include "src/lock_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr std::string_view lock_name = "lock";

bool is_of_space(std::string_view name, std::uint64_t space) {
  if (name.ends_with(temporary_ending)) name.remove_suffix(temporary_ending.size());
  const auto parsed = FileName::parse(name);
  return parsed && parsed->space == space;
}

std::optional<std::uint64_t> take_number(std::string_view& text, int base) {
  const std::size_t length = std::min(text.find(' '), text.size());
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + length, number, base);
  if (read.ec != std::errc() || read.ptr != text.data() + length) return std::nullopt;
  text.remove_prefix(std::min(length + 1, text.size()));
  return number;
}

std::string take_word(std::string_view& text) {
  const std::size_t length = std::min(text.find(' '), text.size());
  std::string word(text.substr(0, length));
  text.remove_prefix(std::min(length + 1, text.size()));
  return word;
}

}  // namespace

std::string Published::to_string() const {
  return fmt::format("{} {} {} {} {:x} {:x}", number, sequence, vectors, graph, hash[0], hash[1]);
}

Result<Published> Published::parse(std::string_view text) {
  Published found;
  std::string_view rest = text;
  const auto number = take_number(rest, 10), sequence = take_number(rest, 10);
  found.vectors = take_word(rest);
  found.graph = take_word(rest);
  const auto low = take_number(rest, 16), high = take_number(rest, 16);
  found.number = number.value_or(0);
  found.sequence = sequence.value_or(0);
  found.hash = {low.value_or(0), high.value_or(0)};
  if (found.to_string() != text || !FileName::parse(found.vectors) || !FileName::parse(found.graph)) {
    return make_error(Errc::corruption, "\"{}\": not the row of a generation", text);
  }
  return found;
}

std::string GenerationFolder::path(std::string_view name) const { return fmt::format("{}/{}", folder_, name); }

struct GenerationFolder::Turn {
  std::mutex mutex;
  std::condition_variable freed;
  bool taken = false;

  bool take(const std::function<bool()>& keep_on) {
    std::unique_lock lock(mutex);
    while (taken) {
      lock.unlock();
      const bool wait = keep_on && keep_on();
      lock.lock();
      if (!wait) return false;
      freed.wait_for(lock, std::chrono::milliseconds(5), [this] { return !taken; });
    }
    return taken = true;
  }
  void free() {
    {
      const std::lock_guard lock(mutex);
      taken = false;
    }
    freed.notify_one();
  }
};

// Against others in this process, and, with the file, against other processes.
class GenerationFolder::Held {
 public:
  // Nothing is held before take() says so.
  explicit Held(std::shared_ptr<Turn> turn) : turn_(std::move(turn)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (file_) file_->unlock();  // to close it would not do: a process that was forked meanwhile has it open, too
    if (taken_) turn_->free();
  }
  bool take(const std::function<bool()>& keep_on) { return taken_ = turn_->take(keep_on); }
  void keep(LockFile file) { file_.emplace(std::move(file)); }

 private:
  std::shared_ptr<Turn> turn_;
  bool taken_ = false;
  std::optional<LockFile> file_;
};

GenerationFolder::GenerationFolder(std::string folder, std::string database, bool map, unsigned permissions)
    : turn_(std::make_shared<Turn>()),
      folder_(std::move(folder)),
      database_(std::move(database)),
      map_(map),
      permissions_(permissions) {}

Result<std::shared_ptr<void>> GenerationFolder::lock(const std::function<bool()>& keep_on) {
  const auto held = std::make_shared<Held>(turn_);
  if (!held->take(keep_on)) return std::shared_ptr<void>();
  FRACTAL_TRY(make_folder(folder_, folder_permissions(permissions_)));
  FRACTAL_TRY_INTO(LockFile file, LockFile::open(path(lock_name), permissions_));
  FRACTAL_TRY_INTO(const bool ours, file.lock(std::chrono::milliseconds(0)));
  if (!ours) return std::shared_ptr<void>();
  held->keep(std::move(file));
  return std::shared_ptr<void>(held);
}

Result<void> GenerationFolder::keep_only(std::uint64_t space, std::span<const Published> kept) {
  FRACTAL_TRY_INTO(const auto names, list_folder(folder_));
  Result<void> done;
  for (const std::string& name : names) {
    const bool wanted = std::any_of(kept.begin(), kept.end(), [&](const Published& published) {
      return name == published.vectors || name == published.graph;
    });
    if (wanted || !is_of_space(name, space)) continue;
    auto removed = remove_file(path(name));
    if (!removed && done) done = std::move(removed);  // the others go all the same
  }
  return done;
}

template <class Counts> std::uint64_t GenerationFolder::bytes_of(const Counts& counts) const {
  const auto names = list_folder(folder_);
  std::uint64_t sum = 0;
  if (!names) return sum;
  for (const std::string& name : *names) {
    if (counts(name)) sum += file_bytes(path(name));
  }
  return sum;
}

std::uint64_t GenerationFolder::bytes(std::uint64_t space) const {
  return bytes_of([space](const std::string& name) { return is_of_space(name, space); });
}

std::uint64_t GenerationFolder::bytes() const {
  return bytes_of([](const std::string&) { return true; });
}

}  // namespace fractal::hnsw
