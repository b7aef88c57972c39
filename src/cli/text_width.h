// Texts in the columns of a terminal.
#ifndef FRACTAL_SRC_CLI_TEXT_WIDTH_H
#define FRACTAL_SRC_CLI_TEXT_WIDTH_H

#include <cstddef>
#include <string>
#include <string_view>

namespace fractal::cli {

// Columns that a text without control characters takes: two for wide characters, none for marks.
std::size_t width_of(std::string_view text);
// Without control characters, those of C1 and DEL included.
std::string printable(std::string_view text);
// On one line: runs of blanks and line breaks are one blank, other control characters are left out.
std::string one_line(std::string_view text);
// At most `width` columns; "…" takes the place of what is cut off.
std::string cut(std::string_view text, std::size_t width);

}  // namespace fractal::cli

#endif
