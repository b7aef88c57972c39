// Invariant: parse(text()) is the same mark; coordinates are in their text form, which reads back exactly.
#include "src/copy_mark.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace fractal {
namespace {

constexpr std::string_view format_name = "copy 1";
constexpr std::array<std::string_view, 3> stage_names{"memories", "links", "changes"};

// A line; the rest stays.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_coordinate(std::string_view text, Coordinate& coordinate) {
  if (text.empty()) return true;
  auto parsed = Coordinate::parse(text);
  if (parsed) coordinate = std::move(*parsed);
  return parsed.has_value();
}

std::string text_of(const Coordinate& coordinate) { return coordinate.empty() ? "" : coordinate.to_string(); }

}  // namespace

std::string copy_mark_setting(std::uint64_t space) { return fmt::format("copy/{}", space); }

// The type comes last: it may have line breaks.
std::string CopyMark::text() const {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", format_name, source, followed, done,
                     stage_names[static_cast<std::size_t>(stage)], text_of(from), text_of(to), type);
}

std::optional<CopyMark> CopyMark::parse(std::string_view text) {
  if (take_line(text) != format_name) return std::nullopt;
  CopyMark mark;
  mark.source = take_line(text);
  if (!read_number(take_line(text), mark.followed) || !read_number(take_line(text), mark.done)) return std::nullopt;
  const auto stage = std::find(stage_names.begin(), stage_names.end(), take_line(text));
  if (stage == stage_names.end()) return std::nullopt;
  mark.stage = static_cast<Stage>(stage - stage_names.begin());
  if (!read_coordinate(take_line(text), mark.from) || !read_coordinate(take_line(text), mark.to)) return std::nullopt;
  mark.type = text;
  return mark;
}

}  // namespace fractal
