// The keyword changes of a commit, kept until its end: FTS5 is several times faster when ids rise.
#ifndef FRACTAL_BACKENDS_SQLITE_PENDING_KEYWORDS_H
#define FRACTAL_BACKENDS_SQLITE_PENDING_KEYWORDS_H

#include <fractal/backend.h>

#include "backends/sqlite/connection.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::sqlite_backend {

// Appends words as sfm_keywords holds them: FTS5's `ascii` tokenizer folds capitals, so they are marked.
void append_words_as_stored(std::string& text, std::string_view words);

class PendingKeywords {
 public:
  // `created`: no keywords are there under this id.
  void put(MemoryId id, const Keywords& keywords, bool created);
  void erase(MemoryId id);
  // What was put in the space before this is void.
  void wipe(std::uint64_t space);

  // Everything after a mark can be undone.
  std::size_t mark() const noexcept { return changes_.size(); }
  void undo_to(std::size_t mark);
  std::size_t text_bytes() const noexcept { return texts_.size(); }

  // Writes all, by rising id, and is empty.
  Result<void> write(Connection& connection);

 private:
  struct Change {
    MemoryId id = 0;
    bool there_before = true;
    bool there_after = false;
    bool wiped = false;     // id holds the number of a space
    std::size_t begin = 0;  // of its texts in texts_
    std::array<std::size_t, weight_classes> sizes{};
  };
  void drop_wiped();

  std::vector<Change> changes_;
  std::string texts_;
  bool any_wiped_ = false;
};

}  // namespace fractal::sqlite_backend

#endif
