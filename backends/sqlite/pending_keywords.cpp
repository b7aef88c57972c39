// Invariant: after write() the keywords of each id are those of the last change to it. Of several changes
// to one id the first says whether the file has keywords to delete, the last what to put.
#include "backends/sqlite/pending_keywords.h"

#include "src/error.h"

#include <algorithm>

namespace fractal::sqlite_backend {
namespace {
constexpr std::string_view capital_mark = "\xee\x80\x80";  // U+E000, which is in no word
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
}  // namespace

void append_words_as_stored(std::string& text, std::string_view words) {
  if (std::none_of(words.begin(), words.end(), is_capital)) {
    text += words;
    return;
  }
  for (const char c : words) {
    if (is_capital(c)) text += capital_mark;
    text += c;
  }
}

void PendingKeywords::put(MemoryId id, const Keywords& keywords, bool created) {
  Change change{.id = id, .there_before = !created, .begin = texts_.size()};
  for (std::size_t i = 0; i < weight_classes; ++i) {
    const std::size_t begin = texts_.size();
    append_words_as_stored(texts_, keywords.text[i]);
    change.sizes[i] = texts_.size() - begin;
    change.there_after = change.there_after || change.sizes[i] != 0;
  }
  changes_.push_back(change);
}

void PendingKeywords::erase(MemoryId id) { changes_.push_back({.id = id, .begin = texts_.size()}); }

void PendingKeywords::wipe(std::uint64_t space) {
  changes_.push_back({.id = space, .wiped = true, .begin = texts_.size()});
  any_wiped_ = true;
}

void PendingKeywords::undo_to(std::size_t mark) {
  if (mark >= changes_.size()) return;
  texts_.resize(changes_[mark].begin);
  changes_.resize(mark);
}

void PendingKeywords::drop_wiped() {
  std::vector<std::uint64_t> gone;
  std::vector<Change> kept;
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (change->wiped) {
      gone.push_back(change->id);
    } else if (std::find(gone.begin(), gone.end(), change->id >> space_shift) == gone.end()) {
      kept.push_back(*change);
    }
  }
  std::reverse(kept.begin(), kept.end());
  changes_ = std::move(kept);
  any_wiped_ = false;
}

Result<void> PendingKeywords::write(Connection& connection) {
  if (changes_.empty()) return {};
  if (any_wiped_) drop_wiped();
  const auto lower = [](const Change& left, const Change& right) { return left.id < right.id; };
  if (!std::is_sorted(changes_.begin(), changes_.end(), lower)) {
    std::stable_sort(changes_.begin(), changes_.end(), lower);
  }
  Query erase(connection, Sql::erase_keywords);
  Query insert(connection, Sql::insert_keywords);
  for (std::size_t first = 0, last = 0; first < changes_.size(); first = last + 1) {
    last = first;
    while (last + 1 < changes_.size() && changes_[last + 1].id == changes_[first].id) ++last;
    const Change& change = changes_[last];
    if (changes_[first].there_before) {
      erase.again(change.id);
      FRACTAL_TRY(erase.run());
    }
    if (!change.there_after) continue;
    std::array<std::string_view, weight_classes> columns;
    std::size_t begin = change.begin;
    for (std::size_t i = 0; i < weight_classes; ++i) {
      columns[i] = std::string_view(texts_).substr(begin, change.sizes[i]);
      begin += change.sizes[i];
    }
    insert.again(change.id, TextValue{columns[0]}, TextValue{columns[1]}, TextValue{columns[2]}, TextValue{columns[3]});
    FRACTAL_TRY(insert.run());
  }
  changes_.clear();
  texts_.clear();
  return {};
}

}  // namespace fractal::sqlite_backend
