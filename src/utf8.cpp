// Invariant: a text that passes here can be handed to any part that decodes UTF-8 without checking.
#include "utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fractal {
namespace {

bool continuation(unsigned char byte) noexcept { return (byte & 0xC0) == 0x80; }

// Bytes of the well-formed sequence at the start of [at, end), whose first byte is not ASCII; 0 if it is not one.
std::size_t sequence_length(const unsigned char* at, const unsigned char* end) noexcept {
  const auto left = static_cast<std::size_t>(end - at);
  const unsigned char first = at[0];
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return left >= 2 && continuation(at[1]) ? 2 : 0;
  if (first < 0xF0) {
    if (left < 3 || !continuation(at[1]) || !continuation(at[2])) return 0;
    if (first == 0xE0 && at[1] < 0xA0) return 0;  // overlong
    if (first == 0xED && at[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (left < 4 || !continuation(at[1]) || !continuation(at[2]) || !continuation(at[3])) return 0;
  if (first == 0xF0 && at[1] < 0x90) return 0;  // overlong
  if (first == 0xF4 && at[1] > 0x8F) return 0;  // beyond U+10FFFF
  return 4;
}

}  // namespace

bool valid_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    if (end - at >= 8) {
      std::uint64_t block;
      std::memcpy(&block, at, sizeof block);
      if ((block & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    if (*at < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = sequence_length(at, end);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool valid_text(std::string_view text) noexcept {
  return text.find('\0') == std::string_view::npos && valid_utf8(text);
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 64;
  std::string out;
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end && out.size() < longest) {
    const std::size_t length = *at < 0x80 ? 1 : sequence_length(at, end);
    if (length == 0 || *at < 0x20) {
      out.push_back('?');
      ++at;
      continue;
    }
    out.append(at, at + length);
    at += length;
  }
  if (at != end) out += "...";
  return out;
}

}  // namespace fractal
