// Invariant: what comes in is valid JSON; what goes out is, too, and jsonb takes it.
#include "backends/postgres/json_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace fractal::postgres_backend {
namespace {

constexpr std::string_view replacement = "\\ufffd";
constexpr std::size_t escape_size = 6;  // \uXXXX

std::optional<unsigned> escaped_unit(std::string_view text) {
  if (text.size() < escape_size || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  unsigned unit = 0;
  std::from_chars(text.data() + 2, text.data() + escape_size, unit, 16);
  return unit;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit < 0xE000; }

// At a backslash within a string: how much of `text` the escape is, appended as it may stand.
std::size_t copy_escape(std::string_view text, std::string& out) {
  const auto unit = escaped_unit(text);
  if (!unit) {
    out += text.substr(0, 2);
    return 2;
  }
  const auto next = escaped_unit(text.substr(escape_size));
  if (is_high(*unit) && next && is_low(*next)) {
    out += text.substr(0, 2 * escape_size);
    return 2 * escape_size;
  }
  const bool refused = *unit == 0 || is_high(*unit) || is_low(*unit);
  out += refused ? replacement : text.substr(0, escape_size);
  return escape_size;
}

// Digits that the number has when it is written out.
bool is_too_long(std::string_view number) {
  constexpr std::size_t most_digits = 16'000;
  if (number.size() > most_digits) return true;
  const auto mark = number.find_first_of("eE");
  if (mark == number.npos) return false;
  std::string_view exponent = number.substr(mark + 1);
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  std::int64_t power = 0;
  const auto read = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
  constexpr std::int64_t most_power = 10'000;
  return read.ec != std::errc() || power > most_power || power < -most_power;
}

}  // namespace

std::string json_for_server(std::string_view json) {
  if (json.empty()) return "{}";
  std::string out;
  out.reserve(json.size());
  bool inside = false;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (inside && c == '\\') {
      at += copy_escape(json.substr(at), out);
      continue;
    }
    if (c == '"') inside = !inside;
    if (!inside && (c == '-' || (c >= '0' && c <= '9'))) {
      const auto end = std::min(json.find_first_not_of("+-.0123456789eE", at), json.size());
      const std::string_view number = json.substr(at, end - at);
      out += is_too_long(number) ? std::string_view("null") : number;
      at = end;
      continue;
    }
    out += c;
    ++at;
  }
  return out;
}

}  // namespace fractal::postgres_backend
