// From payloads and questions to words: the one tokeniser, for every backend.
#ifndef FRACTAL_SRC_KEYWORDS_H
#define FRACTAL_SRC_KEYWORDS_H

#include <fractal/backend.h>
#include <fractal/fractal_memory.h>

#include <string>
#include <string_view>
#include <vector>

namespace fractal {

// Stored in each database; another number means that its keywords are rebuilt.
inline constexpr int tokenizer_version = 1;

// Appends each word of the text, in order, with a blank between words, and counts them. A word is a run of
// letters, digits and marks, at most 64 bytes (the rest of a longer run is dropped): compatibility forms, case and
// accents folded (NFKC, casefold; marks of Latin, Greek, Cyrillic, Hebrew and Arabic dropped), plain ASCII words
// stemmed (Snowball English). A character of Han, Kana, Thai, Lao, Myanmar or Khmer is a word of its own.
// Apostrophes: 's 'd 'm 'll 're 've at the end are dropped ("Ada's" is "ada"), others join ("don't" is "dont"): so a
// name meets its possessive, and contractions of not stay whole and are stop words. `text` must be valid UTF-8.
void append_words(std::string_view text, std::string& words, std::uint32_t& count);

// Distinct words of a question, in order of appearance, at most limits::query_terms, English stop words
// dropped unless nothing else is left.
std::vector<std::string> query_terms(std::string_view text);

// The text of one field, for embedding.
struct FieldText {
  std::string text{};
  double weight = 1;
  friend bool operator==(const FieldText&, const FieldText&) = default;
};

// Which payload fields hold text, and the column of each. Immutable.
class TextFields {
 public:
  // invalid_argument: bad path, weight not in (0, 100], more than 32 fields or 4 different weights.
  static Result<TextFields> make(const std::vector<TextField>& fields);
  static TextFields standard();
  // One line that make() could be rebuilt from, for the database: "text=1 content=1 context=0.5".
  std::string describe() const;
  static Result<TextFields> parse(std::string_view description);
  std::vector<TextField> fields() const;

  // Weight of each column; 0 for unused ones. The heaviest first.
  const std::array<double, weight_classes>& weights() const noexcept { return weights_; }
  // The words of a valid payload.
  Keywords keywords(std::string_view payload) const;
  // The texts of a valid payload that are not blank: one a field, or all of them as one.
  std::vector<FieldText> texts(std::string_view payload) const;

 private:
  template <class Visit> void visit_texts(std::string_view payload, const Visit& visit) const;
  struct Field {
    std::string path;
    std::vector<std::string> keys;
    double weight;
    std::size_t column;
  };
  std::vector<Field> fields_;
  std::array<double, weight_classes> weights_{};
};

}  // namespace fractal

#endif
