// Invariant: no text is cut inside a character, and no control character of a payload reaches a terminal.
#include "src/cli/text_width.h"

#include <utf8proc.h>

namespace fractal::cli {
namespace {

struct Character {
  utf8proc_int32_t point = -1;
  std::size_t bytes = 1;
};

Character first_of(std::string_view text) {
  Character character;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &character.point);
  character.bytes = bytes > 0 ? static_cast<std::size_t>(bytes) : 1;
  return character;
}

std::size_t columns(utf8proc_int32_t point) {
  return point < 0 ? 1 : static_cast<std::size_t>(utf8proc_charwidth(point));
}

}  // namespace

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = first_of(text);
    width += columns(character.point);
    text.remove_prefix(character.bytes);
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const Character character = first_of(text);
    if (character.point >= 0 && utf8proc_category(character.point) != UTF8PROC_CATEGORY_CC) {
      kept += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return kept;
}

std::string one_line(std::string_view text) {
  std::string line;
  bool blank = false;
  while (!text.empty()) {
    const Character character = first_of(text);
    const std::string_view bytes = text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
    if (bytes == " " || bytes == "\n" || bytes == "\t" || bytes == "\r") {
      blank = true;
    } else if (character.point >= 0 && utf8proc_category(character.point) != UTF8PROC_CATEGORY_CC) {
      if (blank && !line.empty()) line += ' ';
      blank = false;
      line += bytes;
    }
  }
  return line;
}

std::string cut(std::string_view text, std::size_t width) {
  std::size_t taken = 0, end = 0, before_last = 0;
  while (end < text.size()) {
    const Character character = first_of(text.substr(end));
    const std::size_t wide = columns(character.point);
    if (taken + wide > width) return width == 0 ? "" : std::string(text.substr(0, before_last)) + "…";
    taken += wide;
    end += character.bytes;
    if (taken < width) before_last = end;
  }
  return std::string(text);
}

}  // namespace fractal::cli
