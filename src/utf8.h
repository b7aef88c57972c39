// Checks on UTF-8 text.
#ifndef FRACTAL_SRC_UTF8_H
#define FRACTAL_SRC_UTF8_H

#include <string>
#include <string_view>

namespace fractal {

// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool valid_utf8(std::string_view text) noexcept;
// The same without NUL: what names, paths, words and JSON texts may hold.
bool valid_text(std::string_view text) noexcept;

// The first 64 bytes or so of a caller's text, fit for an error message.
std::string excerpt(std::string_view text);

}  // namespace fractal

#endif
