// Invariant: whatever stands in a text, its literal is one literal, and means that text.
#include "backends/milvus/expression.h"

#include <fmt/format.h>

#include <iterator>

namespace fractal::milvus {

std::optional<std::string> literal(std::string_view text) {
  if (text.find_first_of("\n\r") != std::string_view::npos) return std::nullopt;
  std::string written = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') written += '\\';
    written += byte;
  }
  written += '"';
  return written;
}

std::string plain(std::string_view name) {
  std::string written;
  for (const char byte : name) {
    const bool stays = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       byte == '-' || byte == '.' || byte == '_';
    if (stays) {
      written += byte;
    } else {
      fmt::format_to(std::back_inserter(written), "%{:02X}", static_cast<unsigned char>(byte));
    }
  }
  return written;
}

std::string list(std::span<const MemoryId> ids) { return fmt::format("[{}]", fmt::join(ids, ",")); }

}  // namespace fractal::milvus
