// Invariant: the words of a text depend on the text alone: not on the locale, the storage, the thread or what was
// read before. A change that gives other words raises tokenizer_version.
#include "keywords.h"

#include "code_points.h"
#include "stemmer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t longest_word = 64;

// Classes of bytes.
constexpr std::uint8_t ascii_letter = 1, ascii_digit = 2, ascii_apostrophe = 4, beyond_ascii = 8;
constexpr auto byte_classes = [] {
  std::array<std::uint8_t, 256> classes{};
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 32] = ascii_letter;
  for (int c = '0'; c <= '9'; ++c) classes[c] = ascii_digit;
  for (int c = 0x80; c <= 0xFF; ++c) classes[c] = beyond_ascii;
  classes['\''] = ascii_apostrophe;
  return classes;
}();
constexpr std::uint8_t class_of(char c) noexcept { return byte_classes[static_cast<unsigned char>(c)]; }

bool is_letter(char c) noexcept { return class_of(c) == ascii_letter; }
bool is_word_byte(char c) noexcept { return (class_of(c) & (ascii_letter | ascii_digit)) != 0; }
bool is_separator(char c) noexcept { return class_of(c) == 0; }
bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// What remains of "ada's", "we'll", "they've": the part before a clitic.
std::string_view without_clitic(std::string_view token) noexcept {
  const std::size_t apostrophe = token.rfind('\'');
  if (apostrophe == std::string_view::npos || token.size() - apostrophe > 3) return token;
  char rest[2] = {};
  std::size_t n = 0;
  for (const char c : token.substr(apostrophe + 1)) rest[n++] = lower(c);
  const std::string_view clitic(rest, n);
  for (const std::string_view each : {"s", "d", "m", "ll", "re", "ve"}) {
    if (clitic == each) return token.substr(0, apostrophe);
  }
  return token;
}

// Where words go.
class Words {
 public:
  Words(std::string& text, std::uint32_t& count) : text_(text), count_(count) {}

  // A run of ASCII letters and digits.
  void add_plain(std::string_view token, bool letters) {
    if (token.size() > ShortWord::longest) {
      add(token);
      return;
    }
    begin_word();
    const ShortWord word(token);
    if (letters && token.size() > 2) {
      stemmer_.append_stem(word, text_);
    } else {
      text_.append(word.text());
    }
  }

  // A run of letters, digits and marks, with apostrophes only between them. Folded already if it is not ASCII.
  void add(std::string_view token) {
    char word[longest_word];
    std::size_t length = 0;
    bool letters = true;
    for (const char c : without_clitic(token)) {
      if (c == '\'') continue;
      if (length == longest_word) {
        // Not in the middle of a character.
        if (!is_ascii(c) && (static_cast<unsigned char>(c) & 0xC0) == 0x80) {
          while ((static_cast<unsigned char>(word[length - 1]) & 0xC0) == 0x80) --length;
          --length;
        }
        break;
      }
      letters = letters && is_letter(c);
      word[length++] = lower(c);
    }
    if (length == 0) return;
    begin_word();
    const std::string_view plain(word, length);
    if (!letters || length <= 2) {
      text_.append(plain);
    } else if (length <= ShortWord::longest) {
      stemmer_.append_stem(ShortWord(plain), text_);
    } else {
      stemmer_.append_stem(plain, text_);
    }
  }

 private:
  void begin_word() {
    if (!text_.empty()) text_.push_back(' ');
    ++count_;
  }

  Stemmer& stemmer_ = Stemmer::of_this_thread();
  std::string& text_;
  std::uint32_t& count_;
};

bool in(std::int32_t point, std::int32_t first, std::int32_t last) noexcept { return point >= first && point <= last; }

// Scripts written without blanks between words: each character is a word.
bool stands_alone(std::int32_t point) noexcept {
  if (point < 0x0E00) return false;
  return in(point, 0x3041, 0x30FF) || in(point, 0x31F0, 0x31FF) ||                               // Kana
         in(point, 0x3400, 0x4DBF) || in(point, 0x4E00, 0x9FFF) || in(point, 0xF900, 0xFAFF) ||  // Han
         in(point, 0x20000, 0x3FFFF) || point == 0x3005 || point == 0x3007 ||                    //
         in(point, 0x0E00, 0x0EFF) || in(point, 0x1000, 0x109F) ||
         in(point, 0x1780, 0x17FF);  // Thai, Lao, Myanmar, Khmer
}

bool is_mark(utf8proc_category_t category) noexcept {
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

// Accents, and the points of Hebrew and Arabic. The marks of other scripts are vowels and the like, and stay.
bool is_accent(std::int32_t point) noexcept {
  const bool near = in(point, 0x0300, 0x036F) || in(point, 0x0483, 0x0487) || in(point, 0x0591, 0x05C7) ||
                    in(point, 0x0610, 0x061A) || in(point, 0x064B, 0x065F) || point == 0x0670 ||
                    in(point, 0x06D6, 0x06ED) || in(point, 0x1AB0, 0x1AFF) || in(point, 0x1DC0, 0x1DFF) ||
                    in(point, 0x20D0, 0x20FF) || in(point, 0xFE20, 0xFE2F);
  return near && is_mark(utf8proc_category(point));
}

// NFKC with accents dropped and case folded. Accents go first: folding turns one of them, the iota below a Greek
// vowel, into a letter, which no longer sorts among the marks around it.
std::vector<utf8proc_int32_t> folded(std::string_view region) {
  constexpr auto options = static_cast<utf8proc_option_t>(UTF8PROC_CASEFOLD | UTF8PROC_DECOMPOSE);
  // NFKD, ordered, without the characters that Unicode says to ignore.
  constexpr auto compatible = static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE);
  std::vector<utf8proc_int32_t> points;
  points.reserve(region.size());
  int boundary = 0;
  for (const utf8proc_int32_t point : decomposed(region, compatible)) {
    if (is_accent(point)) continue;
    utf8proc_int32_t parts[8];
    const utf8proc_ssize_t n = utf8proc_decompose_char(point, parts, std::size(parts), options, &boundary);
    points.insert(points.end(), parts, parts + std::clamp<utf8proc_ssize_t>(n, 0, std::size(parts)));
  }
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), UTF8PROC_COMPOSE);
  points.resize(static_cast<std::size_t>(std::max<utf8proc_ssize_t>(length, 0)));
  return points;
}

// The words of a part of the text that holds more than ASCII.
void add_folded(std::string_view region, Words& words) {
  std::string token;
  bool alone = false;  // the token is one character of a script without blanks
  const auto finish = [&] {
    if (token.ends_with('\'')) token.pop_back();
    words.add(token);
    token.clear();
    alone = false;
  };
  for (const utf8proc_int32_t point : folded(region)) {
    const utf8proc_category_t category = utf8proc_category(point);
    if (is_apostrophe(point) && !token.empty() && !alone && token.back() != '\'') {
      token.push_back('\'');
    } else if (is_apostrophe(point) || !is_word_category(category)) {
      finish();
    } else if (is_mark(category)) {
      append_point(point, token);
    } else {
      const bool single = stands_alone(point);
      if (alone || single) finish();
      append_point(point, token);
      alone = single;
    }
  }
  finish();
}

// Between two letters or digits.
bool is_inner_apostrophe(std::string_view text, std::size_t at) noexcept {
  return text[at] == '\'' && at > 0 && is_word_byte(text[at - 1]) && at + 1 < text.size() && is_word_byte(text[at + 1]);
}

// The end of the run that begins at `at`: up to the next ASCII character that is in no word.
std::size_t region_end(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && (!is_ascii(text[at]) || is_word_byte(text[at]) || text[at] == '\'')) ++at;
  return at;
}

// English words that carry no content of their own in a question.
constexpr std::string_view stop_text =
    "a about above after again against all also am an and any are aren't as at be because been before being below "
    "between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each "
    "either else ever every few for from further get gets getting give given go goes going gone got had hadn't has "
    "hasn't have haven't having he her here hers herself him himself his how however i if in into is isn't it its "
    "itself just know let like many me might mine more most much must mustn't my myself neither no nor not now of off "
    "often on once one only onto or other others ought our ours ourselves out over own please rather really said same "
    "say says shall shan't she should shouldn't since so some something such tell than that the their theirs them "
    "themselves then there these they thing things this those though through thus to too toward towards under until "
    "up upon us very was wasn't we were weren't what whatever when whenever where wherever whether which while who "
    "whoever whom whose why will with within without won't would wouldn't yes yet you your yours yourself yourselves";

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> result;
  while (!words.empty()) {
    const std::size_t blank = std::min(words.find(' '), words.size());
    result.push_back(words.substr(0, blank));
    words.remove_prefix(std::min(blank + 1, words.size()));
  }
  return result;
}

bool is_stop_word(std::string_view word) {
  static const std::unordered_set<std::string> stops = [] {
    std::string words;
    std::uint32_t count = 0;
    append_words(stop_text, words, count);
    std::unordered_set<std::string> set;
    for (const std::string_view each : split_words(words)) set.emplace(each);
    return set;
  }();
  return stops.contains(std::string(word));
}

}  // namespace

void append_words(std::string_view text, std::string& words, std::uint32_t& count) {
  words.reserve(words.size() + text.size() + 1);
  Words out(words, count);
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_ascii(text[at]) && !is_word_byte(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    unsigned classes = 0;
    while (end < text.size() && is_word_byte(text[end])) classes |= class_of(text[end++]);
    if (end == text.size() || is_separator(text[end])) {
      out.add_plain(text.substr(at, end - at), classes == ascii_letter);
      at = end;
      continue;
    }
    while (end < text.size() && (is_word_byte(text[end]) || is_inner_apostrophe(text, end))) ++end;
    // An accent or a typographic apostrophe may belong to the letters before it.
    const bool ascii =
        end == text.size() ||
        (is_ascii(text[end]) && !(text[end] == '\'' && end + 1 < text.size() && !is_ascii(text[end + 1])));
    if (ascii) {
      out.add(text.substr(at, end - at));
    } else {
      end = region_end(text, end);
      add_folded(text.substr(at, end - at), out);
    }
    at = end;
  }
}

std::vector<std::string> query_terms(std::string_view text) {
  std::string words;
  std::uint32_t count = 0;
  append_words(text, words, count);
  std::vector<std::string> terms, stops;
  std::unordered_set<std::string_view> seen;
  for (const std::string_view word : split_words(words)) {
    if (terms.size() == limits::query_terms) break;
    if (!seen.insert(word).second) continue;
    if (!is_stop_word(word)) {
      terms.emplace_back(word);
    } else if (stops.size() < limits::query_terms) {
      stops.emplace_back(word);
    }
  }
  return terms.empty() ? stops : terms;
}

}  // namespace fractal
