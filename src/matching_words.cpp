// Invariant: a range is marked if and only if the tokeniser makes a word of the question of it.
#include <fractal/fractal_memory.h>

#include "keywords.h"
#include "utf8.h"

#include <algorithm>
#include <unordered_set>

namespace fractal {
namespace {

constexpr std::string_view between_words = " \t\r\n\v\f!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~";

class Marker {
 public:
  Marker(std::string_view text, std::string_view question) : text_(text) {
    for (std::string& term : query_terms(question)) terms_.insert(std::move(term));
  }

  std::vector<TextRange> ranges() {
    std::size_t at = 0;
    while (!terms_.empty() && (at = text_.find_first_not_of(between_words, at)) != text_.npos) {
      const std::size_t end = std::min(text_.find_first_of(between_words, at), text_.size());
      look_at(at, end);
      at = end;
    }
    return std::move(ranges_);
  }

 private:
  // A run may be many words: scripts without blanks, punctuation beyond ASCII. Then each character is looked at.
  void look_at(std::size_t begin, std::size_t end) {
    words_.clear();
    std::uint32_t count = 0;
    append_words(text_.substr(begin, end - begin), words_, count);
    if (count == 1) {
      while (text_[begin] == '\'') ++begin;
      while (text_[end - 1] == '\'') --end;
      if (terms_.contains(words_)) mark(begin, end);
      return;
    }
    for (std::size_t next = begin; count > 1 && begin < end; begin = next) {
      do ++next;
      while (next < end && (static_cast<unsigned char>(text_[next]) & 0xC0) == 0x80);
      words_.clear();
      std::uint32_t one = 0;
      append_words(text_.substr(begin, next - begin), words_, one);
      if (one == 1 && terms_.contains(words_)) mark(begin, next);
    }
  }

  void mark(std::size_t begin, std::size_t end) {
    if (!ranges_.empty() && ranges_.back().end == begin) {
      ranges_.back().end = end;
    } else {
      ranges_.push_back({begin, end});
    }
  }

  std::string_view text_;
  std::unordered_set<std::string> terms_;
  std::string words_;
  std::vector<TextRange> ranges_;
};

}  // namespace

std::vector<TextRange> matching_words(std::string_view text, std::string_view question) {
  if (!valid_utf8(text) || !valid_utf8(question)) return {};
  return Marker(text, question).ranges();
}

}  // namespace fractal
