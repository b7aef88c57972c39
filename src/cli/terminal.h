// What a stream can show: width and colours.
#ifndef FRACTAL_SRC_CLI_TERMINAL_H
#define FRACTAL_SRC_CLI_TERMINAL_H

#include <fractal/fractal_memory.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::cli {

enum class Style { plain, strong, faint, name, match, good, bad };

class Terminal {
 public:
  // Colours: only where the stream is a terminal, TERM is not "dumb", and NO_COLOR is not set (no-color.org).
  static Terminal of(std::FILE* stream);

  bool interactive() const noexcept { return interactive_; }
  // Columns; 0: unlimited, as the stream is no terminal.
  std::size_t width() const noexcept { return width_; }
  std::string paint(Style style, std::string_view text) const;
  // The words of the question in the text, by the library's rules.
  std::string with_matches(std::string_view text, std::string_view question) const;

 private:
  bool interactive_ = false, colours_ = false;
  std::size_t width_ = 0;
};

}  // namespace fractal::cli

#endif
