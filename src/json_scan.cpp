// Invariant: every pointer stays within the text, valid JSON or not.
#include "json_scan.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace fractal::json {
namespace {

bool blank(char c) noexcept { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

const char* skip_blanks(const char* at, const char* end) noexcept {
  while (at != end && blank(*at)) ++at;
  return at;
}

// From the byte after an opening quote to the closing one, or to the end.
const char* skip_text(const char* at, const char* end) noexcept {
  const char* const start = at;
  while (at != end) {
    const auto* quote = static_cast<const char*>(std::memchr(at, '"', static_cast<std::size_t>(end - at)));
    if (quote == nullptr) return end;
    const char* before = quote;
    while (before != start && before[-1] == '\\') --before;
    if ((quote - before) % 2 == 0) return quote;
    at = quote + 1;
  }
  return end;
}

const char* skip_container(const char* at, const char* end) noexcept {
  std::size_t depth = 0;
  for (; at != end; ++at) {
    switch (*at) {
      case '"':
        at = skip_text(at + 1, end);
        if (at == end) return end;
        break;
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']':
        if (--depth == 0) return at + 1;
        break;
      default: break;
    }
  }
  return end;
}

const char* skip_value(const char* at, const char* end) noexcept {
  if (at == end) return end;
  if (*at == '{' || *at == '[') return skip_container(at, end);
  if (*at == '"') {
    at = skip_text(at + 1, end);
    return at == end ? end : at + 1;
  }
  while (at != end && *at != ',' && *at != '}' && *at != ']' && !blank(*at)) ++at;
  return at;
}

std::string_view view(const char* first, const char* last) noexcept {
  return {first, static_cast<std::size_t>(last - first)};
}

std::uint32_t hex4(const char* at) noexcept {
  std::uint32_t value = 0;
  std::from_chars(at, at + 4, value, 16);
  return value;
}

void append_utf8(std::uint32_t point, std::string& out) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | (point >> 6));
  } else if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3F));
  } else {
    put(0xF0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3F));
    put(0x80 | ((point >> 6) & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

// `at` is behind "\u". Returns the byte after the escape (after both, for a surrogate pair).
const char* append_unicode_escape(const char* at, const char* end, std::string& out) {
  if (end - at < 4) return end;
  std::uint32_t point = hex4(at);
  at += 4;
  if (point >= 0xD800 && point < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
    point = 0x10000 + ((point - 0xD800) << 10) + ((hex4(at + 2) - 0xDC00) & 0x3FF);
    at += 6;
  }
  append_utf8(point, out);
  return at;
}

}  // namespace

bool Member::is(std::string_view name) const {
  if (!escaped) return key == name;
  std::string buffer;
  return decode(key, buffer) == name;
}

MemberReader::MemberReader(std::string_view container) noexcept
    : at_(container.data()), end_(container.data() + container.size()) {
  at_ = skip_blanks(at_, end_);
  if (at_ == end_ || (*at_ != '{' && *at_ != '[')) {
    at_ = end_;
    return;
  }
  keyed_ = *at_ == '{';
  ++at_;
}

bool MemberReader::next(Member& member) noexcept {
  at_ = skip_blanks(at_, end_);
  if (at_ != end_ && *at_ == ',') at_ = skip_blanks(at_ + 1, end_);
  if (at_ == end_ || *at_ == '}' || *at_ == ']') return false;
  if (keyed_) {
    if (*at_ != '"') return false;
    const char* const first = at_ + 1;
    const char* const last = skip_text(first, end_);
    if (last == end_) return false;
    member.key = view(first, last);
    member.escaped = std::memchr(first, '\\', member.key.size()) != nullptr;
    at_ = skip_blanks(last + 1, end_);
    if (at_ == end_ || *at_ != ':') return false;
    at_ = skip_blanks(at_ + 1, end_);
  }
  const char* const last = skip_value(at_, end_);
  if (last == at_) return false;
  member.value = view(at_, last);
  at_ = last;
  return true;
}

Kind kind_of(std::string_view value) noexcept {
  switch (value.empty() ? 'n' : value.front()) {
    case '{': return Kind::object;
    case '[': return Kind::array;
    case '"': return Kind::text;
    case 't':
    case 'f': return Kind::boolean;
    case 'n': return Kind::null;
    default: return Kind::number;
  }
}

std::string_view find(std::string_view object, std::span<const std::string> keys) {
  std::string_view value = object;
  for (const std::string& key : keys) {
    if (value.empty() || (value.data() != object.data() && value.front() != '{')) return {};
    MemberReader reader(value);
    std::string_view found;
    for (Member member; reader.next(member);) {
      if (member.is(key)) found = member.value;
    }
    value = found;
  }
  return value;
}

void append_decoded(std::string_view text, std::string& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const auto* slash = static_cast<const char*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
    if (slash == nullptr || end - slash < 2) {
      out.append(at, end);
      return;
    }
    out.append(at, slash);
    at = slash + 2;
    switch (slash[1]) {
      case 'b': out.push_back('\b'); break;
      case 'f': out.push_back('\f'); break;
      case 'n': out.push_back('\n'); break;
      case 'r': out.push_back('\r'); break;
      case 't': out.push_back('\t'); break;
      case 'u': at = append_unicode_escape(at, end, out); break;
      default: out.push_back(slash[1]); break;
    }
  }
}

std::string_view decode(std::string_view text, std::string& buffer) {
  if (text.find('\\') == std::string_view::npos) return text;
  buffer.clear();
  append_decoded(text, buffer);
  return buffer;
}

std::string_view unquote(std::string_view value) noexcept {
  return value.size() >= 2 ? value.substr(1, value.size() - 2) : std::string_view();
}

bool beyond_double(std::string_view number) noexcept {
  // place: the power of ten just above the digits alone: 3 for "123.4e5", 0 for "0.5".
  std::int64_t place = 0, exponent = 0;
  bool point = false, significant = false;
  std::size_t i = number.starts_with('-') ? 1 : 0;
  for (; i < number.size() && number[i] != 'e' && number[i] != 'E'; ++i) {
    if (number[i] == '.') {
      point = true;
      continue;
    }
    significant = significant || number[i] != '0';
    if (significant && !point) ++place;
    if (!significant && point) --place;
  }
  if (i < number.size()) {
    ++i;
    const bool minus = i < number.size() && number[i] == '-';
    if (minus || (i < number.size() && number[i] == '+')) ++i;
    for (; i < number.size(); ++i) exponent = std::min<std::int64_t>(exponent * 10 + (number[i] - '0'), 1'000'000'000);
    if (minus) exponent = -exponent;
  }
  return place + exponent > 0;
}

std::optional<Value> number_value(std::string_view number) noexcept {
  const char* const first = number.data();
  const char* const last = first + number.size();
  if (number.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t integer = 0;
    if (std::from_chars(first, last, integer).ec == std::errc()) return Value(integer);
    std::uint64_t natural = 0;
    if (!number.starts_with('-') && std::from_chars(first, last, natural).ec == std::errc()) return Value(natural);
  }
  double real = 0;
  const std::errc error = std::from_chars(first, last, real).ec;
  if (error == std::errc::result_out_of_range) {
    if (beyond_double(number)) return std::nullopt;
    return Value(number.starts_with('-') ? -0.0 : 0.0);
  }
  if (error != std::errc()) return std::nullopt;
  return Value(real);
}

std::optional<Value> scalar_value(std::string_view value) {
  switch (kind_of(value)) {
    case Kind::null: return Value(nullptr);
    case Kind::boolean: return Value(value.front() == 't');
    case Kind::number: return number_value(value);
    case Kind::text: {
      std::string text;
      append_decoded(unquote(value), text);
      return Value(std::move(text));
    }
    case Kind::array:
    case Kind::object: break;
  }
  return std::nullopt;
}

}  // namespace fractal::json
