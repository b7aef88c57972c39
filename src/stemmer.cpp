// Invariant: the answer for a word does not depend on what was asked before.
#include "stemmer.h"

#include <libstemmer.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace fractal {

// The stem is the beginning of the word and a tail: "happ" and "i" for "happy".
struct Stemmer::Entry {
  std::array<std::uint64_t, ShortWord::longest / 8> word;
  std::uint8_t kept;
  std::uint8_t tail_length;
  char tail[6];
};

// A line of the processor's cache, the entry used last first.
struct Stemmer::Set {
  Entry entries[2];
};

namespace {

constexpr std::size_t sets = 4096;  // 256 KiB, of which the system gives only what is used

std::size_t place(const ShortWord& word) noexcept {
  const std::uint64_t mixed = word.bytes[0] * 0x9E37'79B9'7F4A'7C15u ^ word.bytes[1] * 0xC2B2'AE3D'27D4'EB4Fu ^
                              word.bytes[2] * 0x1656'67B1'9E37'79F9u;
  return ((mixed ^ (mixed >> 29)) * 0xBF58'476D'1CE4'E5B9u) >> 52;
}
static_assert(sets == std::size_t{1} << (64 - 52));

}  // namespace

Stemmer::Stemmer()
    : handle_(sb_stemmer_new("english", "UTF_8")),
      cache_(static_cast<Set*>(std::calloc(sets, sizeof(Set))), [](void* memory) { std::free(memory); }) {
  static_assert(sizeof(Set) == 64);
  if (handle_ != nullptr && cache_ != nullptr) return;
  sb_stemmer_delete(handle_);
  throw std::bad_alloc();
}

Stemmer::~Stemmer() { sb_stemmer_delete(handle_); }

Stemmer& Stemmer::of_this_thread() {
  thread_local Stemmer instance;
  return instance;
}

std::string_view Stemmer::snowball(std::string_view word) {
  const sb_symbol* const stem =
      sb_stemmer_stem(handle_, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
  if (stem == nullptr) throw std::bad_alloc();
  const std::string_view result(reinterpret_cast<const char*>(stem),
                                static_cast<std::size_t>(sb_stemmer_length(handle_)));
  return result.size() <= word.size() ? result : word;
}

void Stemmer::append_stem(const ShortWord& word, std::string& out) {
  Entry* const entries = cache_.get()[place(word)].entries;
  if (entries[0].word != word.bytes) {
    std::swap(entries[0], entries[1]);
    if (entries[0].word != word.bytes) {
      const std::string_view stem = snowball(word.text());
      const auto kept =
          static_cast<std::size_t>(std::mismatch(stem.begin(), stem.end(), word.text().begin()).first - stem.begin());
      const std::string_view tail = stem.substr(kept);
      if (tail.size() > sizeof Entry::tail) {
        out.append(stem);
        return;
      }
      entries[0] = {word.bytes, static_cast<std::uint8_t>(kept), static_cast<std::uint8_t>(tail.size()), {}};
      std::copy(tail.begin(), tail.end(), entries[0].tail);
    }
  }
  out.append(word.text().substr(0, entries[0].kept)).append(entries[0].tail, entries[0].tail_length);
}

}  // namespace fractal
