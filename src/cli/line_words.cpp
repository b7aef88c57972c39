// Invariant: a line that is given word by word, each in single quotes, comes out as these words.
#include "src/cli/line_words.h"

namespace fractal::cli {
namespace {

class Line {
 public:
  explicit Line(std::string_view text) : text_(text) {}

  // False at the end.
  bool next(std::string& word) {
    at_ = std::min(text_.find_first_not_of(" \t\n", at_), text_.size());
    if (at_ == text_.size()) return false;
    word.clear();
    if (text_[at_] == '{' || text_[at_] == '[') {
      json(word);
    } else {
      plain(word);
    }
    return true;
  }
  bool open() const { return open_; }

 private:
  void json(std::string& word) {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    bool text = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (text) {
        if (c == '\\') ++at_;
        text = c != '"';
      } else if (c == '"') {
        text = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        ++at_;
        break;
      }
    }
    at_ = std::min(at_, text_.size());
    open_ = depth > 0 || text;
    word = text_.substr(begin, at_ - begin);
  }

  void plain(std::string& word) {
    char quote = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) break;
      if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote != '\'' && at_ + 1 < text_.size()) {
        word += text_[++at_];
      } else {
        word += c;
      }
    }
    open_ = quote != 0;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool open_ = false;
};

}  // namespace

std::optional<std::vector<std::string>> words_of(std::string_view line) {
  Line rest(line);
  std::vector<std::string> words;
  for (std::string word; rest.next(word);) words.push_back(word);
  if (rest.open()) return std::nullopt;
  return words;
}

}  // namespace fractal::cli
