// Invariant: what utf8proc says of a length is obeyed: the buffer grows to it, an error gives nothing.
#include "src/code_points.h"

#include <algorithm>
#include <cstddef>

namespace fractal {

std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options) {
  const auto* const bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  std::vector<utf8proc_int32_t> points(text.size() + 16);
  utf8proc_ssize_t length =
      utf8proc_decompose(bytes, size, points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  if (length > static_cast<utf8proc_ssize_t>(points.size())) {
    points.resize(static_cast<std::size_t>(length));
    length = utf8proc_decompose(bytes, size, points.data(), length, options);
  }
  points.resize(static_cast<std::size_t>(std::max<utf8proc_ssize_t>(length, 0)));
  return points;
}

void append_point(utf8proc_int32_t point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(point, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

}  // namespace fractal
