// Snowball's English stemmer with a cache: most words come again, and a stem costs some thousand instructions.
#ifndef FRACTAL_SRC_STEMMER_H
#define FRACTAL_SRC_STEMMER_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

struct sb_stemmer;

namespace fractal {

// A word of lower case ASCII letters and digits, followed by blanks.
struct ShortWord {
  static constexpr std::size_t longest = 24;

  // `word`: ASCII letters of either case and digits, at most `longest` of them.
  explicit ShortWord(std::string_view word) noexcept : length(word.size()) {
    std::memcpy(bytes.data(), word.data(), length);
    for (std::uint64_t& eight : bytes) eight |= 0x2020'2020'2020'2020u;  // lower case, and 0 becomes a blank
  }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(bytes.data()), length}; }

  std::array<std::uint64_t, longest / 8> bytes{};
  std::size_t length;
};

// Has state: one a thread. Throws std::bad_alloc.
class Stemmer {
 public:
  Stemmer();
  ~Stemmer();
  Stemmer(const Stemmer&) = delete;
  Stemmer& operator=(const Stemmer&) = delete;

  // Appends the stem of a word of letters; it is never longer than the word.
  void append_stem(const ShortWord& word, std::string& out);
  // `word`: lower case ASCII letters.
  void append_stem(std::string_view word, std::string& out) { out.append(snowball(word)); }

  static Stemmer& of_this_thread();

 private:
  struct Entry;
  struct Set;
  std::string_view snowball(std::string_view word);  // lives until the next call

  sb_stemmer* handle_;
  std::unique_ptr<Set, void (*)(void*)> cache_;
};

}  // namespace fractal

#endif
