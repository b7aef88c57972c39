// Between UTF-8 and Unicode code points, by utf8proc.
#ifndef FRACTAL_SRC_CODE_POINTS_H
#define FRACTAL_SRC_CODE_POINTS_H

#include <utf8proc.h>

#include <string>
#include <string_view>
#include <vector>

namespace fractal {

// The text as utf8proc_decompose() with these options gives it; empty if the text is not UTF-8.
std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options);

// `point`: a code point, no surrogate.
void append_point(utf8proc_int32_t point, std::string& out);

// Letters, marks and numbers, of which words are made: one range of the enumeration.
inline bool is_word_category(utf8proc_category_t category) noexcept {
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}
inline bool is_apostrophe(utf8proc_int32_t point) noexcept {
  return point == '\'' || point == 0x2019 || point == 0x02BC;
}

}  // namespace fractal

#endif
