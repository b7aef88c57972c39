// Invariant: each enumerator has one name, which is its name in the header; what to_string() writes, parse reads.
#include <fractal/fractal_memory.h>

#include "utf8.h"

#include <fmt/format.h>

namespace fractal {

std::string_view version() noexcept { return FRACTAL_VERSION_STRING; }

std::string_view to_string(MemoryType type) noexcept { return type == MemoryType::semantic ? "semantic" : "episodic"; }

Result<MemoryType> parse_memory_type(std::string_view text) {
  if (text == "episodic") return MemoryType::episodic;
  if (text == "semantic") return MemoryType::semantic;
  return Error{Errc::invalid_argument,
               fmt::format("memory type: \"{}\" is neither \"episodic\" nor \"semantic\"", excerpt(text))};
}

std::string_view to_string(SearchMode mode) noexcept {
  switch (mode) {
    case SearchMode::automatic: return "automatic";
    case SearchMode::vector: return "vector";
    case SearchMode::keyword: return "keyword";
    case SearchMode::hybrid: return "hybrid";
  }
  return "unknown";
}

std::string_view to_string(ChangeKind kind) noexcept {
  switch (kind) {
    case ChangeKind::stored: return "stored";
    case ChangeKind::removed: return "removed";
    case ChangeKind::linked: return "linked";
    case ChangeKind::unlinked: return "unlinked";
  }
  return "unknown";
}

}  // namespace fractal
