// Invariant: equal coordinates have equal text and equal keys; keys compare as bytes like coordinates compare
// as numbers; -0 never gets in.
#include <fractal/types.h>

#include "json_scan.h"
#include "utf8.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace fractal {
namespace {

// A number whose unsigned order is the order of the doubles.
std::uint64_t ordered_bits(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t sign = std::uint64_t{1} << 63;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

double from_ordered_bits(std::uint64_t bits) noexcept {
  constexpr std::uint64_t sign = std::uint64_t{1} << 63;
  return std::bit_cast<double>((bits & sign) != 0 ? bits & ~sign : ~bits);
}

Error bad_format(std::string_view text) {
  const bool short_text = text.size() <= limits::coordinate_text && valid_text(text);
  return {Errc::invalid_argument, fmt::format("Invalid coordinate format: {}", short_text ? text : excerpt(text))};
}

bool blank(std::int32_t point) noexcept {
  if (point < 0x80) return (point >= 9 && point <= 13) || (point >= 28 && point <= 32);
  if (point == 0x85) return true;
  const utf8proc_category_t category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

// Each set of decimal digits stands in a run of ten, in order; -1 if the point is no such digit.
int digit_value(std::int32_t point) noexcept {
  if (point >= '0' && point <= '9') return point - '0';
  if (point < 0x80 || utf8proc_category(point) != UTF8PROC_CATEGORY_ND) return -1;
  int before = 0;
  while (utf8proc_category(point - before - 1) == UTF8PROC_CATEGORY_ND) ++before;
  return before % 10;
}

// The text in ASCII: digits of any script as 0 to 9, blanks of any kind as ' '. Other characters make it invalid.
bool to_ascii(std::string_view text, std::string& out) {
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(at, left, &point);
    if (length <= 0) return false;
    if (const int digit = digit_value(point); digit >= 0) {
      out.push_back(static_cast<char>('0' + digit));
    } else if (blank(point)) {
      out.push_back(' ');
    } else if (point < 0x80) {
      out.push_back(static_cast<char>(point));
    } else {
      return false;
    }
    at += length;
    left -= length;
  }
  return true;
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Leaves out underscores, which may only stand between two digits.
bool drop_underscores(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) return false;
  }
  return true;
}

// As Python's float() without its words for infinity and NaN, which are no place. False: not a number, or beyond
// a double.
bool read_number(std::string_view part, double& value) {
  std::string text;
  if (!drop_underscores(part, text)) return false;
  const char* first = text.data();
  const char* const last = first + text.size();
  if (first != last && *first == '+') {
    ++first;
    if (first != last && *first == '-') return false;
  }
  const char* const unsigned_part = first != last && *first == '-' ? first + 1 : first;
  if (unsigned_part == last || !(is_digit(*unsigned_part) || *unsigned_part == '.')) return false;
  const auto [end, error] = std::from_chars(first, last, value);
  if (end != last) return false;
  if (error == std::errc()) return std::isfinite(value);
  if (error != std::errc::result_out_of_range) return false;
  value = 0;  // or too near to it
  return !json::beyond_double({first, static_cast<std::size_t>(last - first)});
}

std::string_view trimmed(std::string_view text) noexcept {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Coordinate::Coordinate(std::span<const double> components) : components_(components.begin(), components.end()) {
  for (double& component : components_) component += 0.0;  // -0 + 0 is 0
}

// Here and not in the header: inlined, these draw false warnings out of g++ 12. They allocate nothing.
Coordinate::Coordinate(Coordinate&& other) noexcept : components_(std::move(other.components_)) {}
Coordinate& Coordinate::operator=(Coordinate&& other) noexcept {
  components_ = std::move(other.components_);
  return *this;
}

Result<Coordinate> Coordinate::parse(std::string_view text) {
  std::string ascii;
  if (!to_ascii(text, ascii)) return bad_format(text);
  Coordinate coordinate;
  std::string_view left = ascii;
  while (!left.empty()) {
    const std::size_t comma = std::min(left.find(','), left.size());
    const std::string_view part = trimmed(left.substr(0, comma));
    left.remove_prefix(std::min(comma + 1, left.size()));
    if (part.empty()) continue;
    double value = 0;
    if (!read_number(part, value)) return bad_format(text);
    coordinate.components_.push_back(value + 0.0);
  }
  if (coordinate.empty()) return Error{Errc::invalid_argument, "Coordinate cannot be empty"};
  if (const auto ok = coordinate.check(); !ok) return ok.error();
  return coordinate;
}

std::string Coordinate::to_string() const {
  std::string text;
  for (const double component : components_) {
    if (!text.empty()) text.push_back(',');
    text += json::number(component);
  }
  return text;
}

Result<void> Coordinate::check() const {
  if (empty()) return Error{Errc::invalid_argument, "Coordinate cannot be empty"};
  for (std::size_t i = 0; i < size(); ++i) {
    if (!std::isfinite(components_[i])) {
      return Error{Errc::invalid_argument, fmt::format("coordinate: component {} is not a finite number", i)};
    }
  }
  // "0.0," is the shortest component; 24 characters and a comma the longest.
  if (size() * 25 <= limits::coordinate_text) return {};
  const std::size_t length =
      size() * 4 > limits::coordinate_text + 1 ? limits::coordinate_text + 1 : to_string().size();
  if (length <= limits::coordinate_text) return {};
  return Error{Errc::invalid_argument,
               fmt::format("coordinate: {} components give more than {} characters", size(), limits::coordinate_text)};
}

bool Coordinate::within(const Coordinate& ancestor) const noexcept {
  return ancestor.size() <= size() &&
         std::equal(ancestor.components_.begin(), ancestor.components_.end(), components_.begin());
}

double Coordinate::distance(const Coordinate& other) const noexcept {
  const std::size_t n = std::min(size(), other.size());
  double sum = 0;
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double difference = std::abs(components_[i] - other.components_[i]);
    sum += difference * difference;
    largest = std::max(largest, difference);
  }
  if (largest == 0 || std::isinf(largest)) return largest;
  if (std::isfinite(sum) && sum >= std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon()) {
    return std::sqrt(sum);
  }
  double scaled = 0;  // the squares overflow or vanish
  for (std::size_t i = 0; i < n; ++i) {
    const double ratio = std::abs(components_[i] - other.components_[i]) / largest;
    scaled += ratio * ratio;
  }
  return largest * std::sqrt(scaled);
}

std::string Coordinate::key() const {
  std::string key(size() * 8, '\0');
  std::size_t at = 0;
  for (const double component : components_) {
    const std::uint64_t bits = ordered_bits(component);
    for (int shift = 56; shift >= 0; shift -= 8) key[at++] = static_cast<char>(bits >> shift);
  }
  return key;
}

Result<Coordinate> Coordinate::from_key(std::string_view key) {
  if (key.empty() || key.size() % 8 != 0) {
    return Error{Errc::corruption, fmt::format("a key of {} bytes is no coordinate", key.size())};
  }
  Coordinate coordinate;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 8; ++i) bits = bits << 8 | static_cast<unsigned char>(key[at + i]);
    const double component = from_ordered_bits(bits);
    if (!std::isfinite(component) || (component == 0 && std::signbit(component))) {
      return Error{Errc::corruption, "a key with a component that no coordinate has"};
    }
    coordinate.components_.push_back(component);
  }
  if (const auto ok = coordinate.check(); !ok) return Error{Errc::corruption, ok.error().message};
  return coordinate;
}

bool operator==(const Coordinate& left, const Coordinate& right) noexcept { return (left <=> right) == 0; }

std::weak_ordering operator<=>(const Coordinate& left, const Coordinate& right) noexcept {
  const std::size_t n = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto order = ordered_bits(left[i]) <=> ordered_bits(right[i]);
    if (order != 0) return order;
  }
  return left.size() <=> right.size();
}

}  // namespace fractal
