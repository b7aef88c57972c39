// What the views of spaces take in memory, and which of them go when that is more than Options::memory_budget.
#ifndef FRACTAL_SRC_MEMORY_USE_H
#define FRACTAL_SRC_MEMORY_USE_H

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace fractal {

// The parts of Options::memory_budget, in bytes; all 0: no limit.
struct MemoryShares {
  explicit MemoryShares(std::uint64_t budget)
      : views(budget / 8 * 5), filters(budget / 8), writer_pages(budget / 8), reader_pages(budget / 64) {}
  std::uint64_t views;         // vectors and links of all spaces; one space may have it all
  std::uint64_t filters;       // what filters left
  std::uint64_t writer_pages;  // SQLite's page cache of the writer
  std::uint64_t reader_pages;  // and of each reader that waits for work; eight at most
};

// Vectors that take so much of the views' share had better lie in a file. Of no share (0): never.
constexpr bool is_much(std::uint64_t bytes, std::uint64_t share) { return share != 0 && bytes > share / 4; }

// Any thread.
class MemoryUse {
 public:
  enum class View : std::uint8_t { vectors, links };
  struct Held {
    std::uint64_t space = 0;
    View view = View::vectors;
  };

  explicit MemoryUse(std::uint64_t limit) : limit_(limit) {}

  // A view of a space is used and takes so many bytes, or is about to. Returns the views that have to go for it, those
  // used longest ago; they count no more.
  std::vector<Held> use(std::uint64_t space, View view, std::uint64_t bytes);
  void forget(std::uint64_t space, View view);
  std::uint64_t bytes() const;

 private:
  struct Entry {
    Held held;
    std::uint64_t bytes = 0;
  };
  using Entries = std::list<Entry>;
  static std::uint64_t name(std::uint64_t space, View view) { return space << 1 | static_cast<std::uint64_t>(view); }
  void remove(Entries::iterator entry);

  const std::uint64_t limit_;  // 0: none
  mutable std::mutex mutex_;
  Entries entries_;  // the one used last in front
  std::unordered_map<std::uint64_t, Entries::iterator> places_;
  std::uint64_t bytes_ = 0;
};

}  // namespace fractal

#endif
