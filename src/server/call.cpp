// Invariant: what a client may have done wrong is a 4xx that names it; 5xx is left for what is wrong here.
#include "src/server/call.h"

#include "src/json.h"

#include <fmt/format.h>

namespace fractal::server {
namespace {

// Whether each part by itself would be a coordinate: then there are only too many.
bool every_part_is_good(std::string_view text, bool& any) {
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (part.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos) continue;
    any = true;
    if (!Coordinate::parse(part)) return false;
  }
  return true;
}

}  // namespace

Coordinate coordinate_of(std::string_view text, const std::vector<std::string>& place) {
  auto parsed = Coordinate::parse(text);
  if (parsed) return std::move(*parsed);
  bool any = false;
  const bool good = every_part_is_good(text, any);
  if (good && !any) throw Refused{400, Say::coordinate_empty};
  if (!good) throw Refused{400, Say::coordinate_format, std::string(text)};
  const std::string most = fmt::to_string(limits::coordinate_text);
  throw Invalid{{{"string_too_long", place, Say::string_too_long, most, fmt::format("{{\"max_length\": {}}}", most)}}};
}

void refuse_value(const std::vector<std::string>& place, std::string_view why) {
  throw Invalid{
      {{"value_error", place, Say::value_error, std::string(why), fmt::format("{{\"error\": {}}}", json::quote(why))}}};
}

Refused refused_by(const Error& error) {
  switch (error.code) {
    case Errc::not_found: return {404, Say::memory_not_found};
    case Errc::conflict: return {409, Say::conflict, error.message};
    case Errc::unavailable: return {503, Say::unavailable};
    default: return {500, Say::internal};
  }
}

std::string iso_time(Time time) {
  constexpr std::string_view no_fraction = ".000000";
  std::string text = to_string(time);  // with "Z" at its end
  text.pop_back();
  if (text.ends_with(no_fraction)) text.resize(text.size() - no_fraction.size());
  return text + "+00:00";
}

std::string numbers_of(const Coordinate& coordinate) {
  std::string text = "[";
  for (const double component : coordinate.components()) {
    text += (text.size() > 1 ? ", " : "") + json::number(component);
  }
  return text + "]";
}

}  // namespace fractal::server
