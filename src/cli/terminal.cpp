// Invariant: what goes to a stream that is no terminal has no control characters of ours.
#include "src/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace fractal::cli {
namespace {

std::string_view code_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::strong: return "1";
    case Style::faint: return "2";
    case Style::name: return "36";
    case Style::match: return "1;33";
    case Style::good: return "32";
    case Style::bad: return "31";
  }
  return "";
}

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Terminal Terminal::of(std::FILE* stream) {
  Terminal terminal;
  const int file = fileno(stream);
  terminal.interactive_ = isatty(file) == 1;
  if (!terminal.interactive_) return terminal;
  winsize size{};
  terminal.width_ = ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  terminal.colours_ = variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  return terminal;
}

std::string Terminal::paint(Style style, std::string_view text) const {
  if (!colours_ || style == Style::plain || text.empty()) return std::string(text);
  std::string painted = "\x1b[";
  painted.append(code_of(style)).append("m").append(text).append("\x1b[0m");
  return painted;
}

std::string Terminal::with_matches(std::string_view text, std::string_view question) const {
  if (!colours_) return std::string(text);
  std::string painted;
  std::size_t done = 0;
  for (const TextRange& range : matching_words(text, question)) {
    painted.append(text.substr(done, range.begin - done));
    painted += paint(Style::match, text.substr(range.begin, range.end - range.begin));
    done = range.end;
  }
  return painted.append(text.substr(done));
}

}  // namespace fractal::cli
