// Lines of an export beside those of fractal/json_lines.h, and all of them read.
#ifndef FRACTAL_SRC_MEMORY_LINES_H
#define FRACTAL_SRC_MEMORY_LINES_H

#include <fractal/json_lines.h>

#include <string>
#include <string_view>
#include <variant>

namespace fractal {

// The first line of an export. Embedder: that of the vectors, empty if the caller made them.
struct HeaderLine {
  std::string embedder{};
  bool vectors = true;  // false: they were left out
};
std::string header_line(const HeaderLine& header);

// A Batch::Restore or Batch::RestoreLink, or the header. invalid_argument names the member.
Result<std::variant<HeaderLine, Batch::Restore, Batch::RestoreLink>> parse_line(std::string_view line);

}  // namespace fractal

#endif
