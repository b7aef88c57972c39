// Invariant: the tokens of a text depend on the text and the vocabulary alone, and are those of the reference (BERT's
// normaliser, pre-tokeniser and WordPiece), for every character that its older Unicode tables know.
#include "word_piece.h"

#include "src/code_points.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace fractal {
namespace {

constexpr std::size_t longest_word = 100;  // characters

bool in(std::int32_t point, std::int32_t first, std::int32_t last) noexcept { return point >= first && point <= last; }

bool is_chinese(std::int32_t point) noexcept {
  return in(point, 0x4E00, 0x9FFF) || in(point, 0x3400, 0x4DBF) || in(point, 0x20000, 0x2A6DF) ||
         in(point, 0x2A700, 0x2B73F) || in(point, 0x2B740, 0x2B81F) || in(point, 0x2B920, 0x2CEAF) ||
         in(point, 0xF900, 0xFAFF) || in(point, 0x2F800, 0x2FA1F);
}

bool is_blank(std::int32_t point) noexcept {
  return point == ' ' || in(point, '\t', '\r') || point == 0x85 ||
         (point > 0x7F && in(utf8proc_category(point), UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP));
}

// Nothing that a reader sees: dropped, so that the letters around it join. Tabs and ends of lines are blanks.
bool is_dropped(std::int32_t point) noexcept {
  if (point == '\t' || point == '\n' || point == '\r') return false;
  if (point == 0 || point == 0xFFFD) return true;
  const utf8proc_category_t category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool is_punctuation(std::int32_t point) noexcept {
  if (point < 0x80) return in(point, '!', '/') || in(point, ':', '@') || in(point, '[', '`') || in(point, '{', '~');
  return in(utf8proc_category(point), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

std::size_t characters(std::string_view word) noexcept {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Cuts words into tokens.
class Cutter {
 public:
  Cutter(const TokenTable& table, std::vector<std::uint32_t>& tokens)
      : table_(table), tokens_(tokens), hashes_(table.longest_token()) {}

  void cut(std::string_view word) {
    if (word.empty()) return;
    const std::size_t before = tokens_.size();
    if (word.size() > longest_word && characters(word) > longest_word) {
      tokens_.push_back(unknown_token);
      return;
    }
    std::string_view prefix{};
    for (std::uint64_t start = token_hash_start; !word.empty(); start = inner_start, prefix = inner_prefix) {
      const std::size_t taken = longest_match(prefix, start, word);
      if (taken == 0) {
        tokens_.resize(before);
        tokens_.push_back(unknown_token);
        return;
      }
      word.remove_prefix(taken);
    }
  }

 private:
  static constexpr std::string_view inner_prefix = "##";
  static constexpr std::uint64_t inner_start = token_hash(token_hash(token_hash_start, '#'), '#');

  // Bytes of the longest token at the start of the word; 0 if there is none.
  std::size_t longest_match(std::string_view prefix, std::uint64_t hash, std::string_view word) {
    const std::size_t longest = std::min(word.size(), hashes_.size());
    for (std::size_t i = 0; i < longest; ++i) hashes_[i] = hash = token_hash(hash, word[i]);
    for (std::size_t length = longest; length > 0; --length) {
      if (const auto token = table_.find(prefix, word.substr(0, length), hashes_[length - 1])) {
        tokens_.push_back(*token);
        return length;
      }
    }
    return 0;
  }

  const TokenTable& table_;
  std::vector<std::uint32_t>& tokens_;
  std::vector<std::uint64_t> hashes_;
};

enum class Kind : std::uint8_t { word, blank, punctuation, dropped };
constexpr auto ascii_kinds = [] {
  std::array<Kind, 128> kinds{};
  for (int c = 0; c < 128; ++c) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      kinds[c] = Kind::blank;
    } else if (c < ' ' || c == 0x7F) {
      kinds[c] = Kind::dropped;
    } else if ((c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~')) {
      kinds[c] = Kind::punctuation;
    }
  }
  return kinds;
}();

void cut_ascii(std::string_view text, Cutter& cutter) {
  std::string word;
  for (const char c : text) {
    const Kind kind = ascii_kinds[static_cast<unsigned char>(c)];
    if (kind == Kind::word) {
      word.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    } else if (kind != Kind::dropped) {
      cutter.cut(word);
      word.clear();
      if (kind == Kind::punctuation) cutter.cut(std::string_view(&c, 1));
    }
  }
  cutter.cut(word);
}

// Without what is dropped, each kind of blank a blank, and blanks around Chinese characters.
std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    utf8proc_int32_t point = 0;
    at += std::max<utf8proc_ssize_t>(utf8proc_iterate(at, end - at, &point), 1);
    if (is_dropped(point)) continue;
    const bool alone = is_chinese(point);
    if (alone) out.push_back(' ');
    if (is_blank(point)) {
      out.push_back(' ');
    } else {
      append_point(point, out);
    }
    if (alone) out.push_back(' ');
  }
  return out;
}

void cut_unicode(std::string_view text, Cutter& cutter) {
  // NFD, its marks in their order.
  constexpr auto canonical = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  std::string word;
  for (const utf8proc_int32_t point : decomposed(cleaned(text), canonical)) {
    if (utf8proc_category(point) == UTF8PROC_CATEGORY_MN) continue;
    const utf8proc_int32_t lower = utf8proc_tolower(point);
    const bool alone = is_punctuation(lower);
    if (alone || is_blank(lower)) {
      cutter.cut(word);
      word.clear();
      if (!alone) continue;
    }
    append_point(lower, word);
    if (!alone) continue;
    cutter.cut(word);
    word.clear();
  }
  cutter.cut(word);
}

}  // namespace

void append_tokens(const TokenTable& table, std::string_view text, std::vector<std::uint32_t>& tokens) {
  Cutter cutter(table, tokens);
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) {
    cut_ascii(text, cutter);
  } else {
    cut_unicode(text, cutter);
  }
}

}  // namespace fractal
