// Percent-encoding (RFC 3986, section 2.1).
#ifndef FRACTAL_SRC_PERCENT_H
#define FRACTAL_SRC_PERCENT_H

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace fractal {

// Of two hexadecimal digits; nullopt: it is something else.
inline std::optional<char> byte_of(std::string_view digits) {
  unsigned char byte = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
  if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return std::nullopt;
  return static_cast<char>(byte);
}

// nullopt: a % without two hexadecimal digits behind it.
inline std::optional<std::string> percent_decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const auto byte = byte_of(text.substr(i + 1, 2));
    if (!byte) return std::nullopt;
    bytes += *byte;
    i += 2;
  }
  return bytes;
}

}  // namespace fractal

#endif
