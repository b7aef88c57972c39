// Invariant: read_cursor(write_cursor(position)) is the position, bit for bit.
#include "src/cursor.h"

#include "src/error.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <vector>

namespace fractal {
namespace {

// "ca" + hex key, "td" + time "." id, "ia" + double bits "." id; the second letter is the direction.
std::string head(ListOrder order, bool descending) {
  const char letter = order == ListOrder::coordinate ? 'c' : order == ListOrder::created_at ? 't' : 'i';
  return {letter, descending ? 'd' : 'a'};
}

std::optional<std::uint64_t> read_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> read_key(std::string_view text) {
  if (text.empty() || text.size() % 16 != 0) return std::nullopt;
  std::string key;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto byte = read_hex(text.substr(i, 2));
    if (!byte) return std::nullopt;
    key.push_back(static_cast<char>(*byte));
  }
  return key;
}

std::optional<Position> read_numbers(std::string_view text, ListOrder order) {
  const std::size_t dot = text.find('.');
  if (dot == text.npos) return std::nullopt;
  const auto number = read_hex(text.substr(0, dot));
  const auto id = read_hex(text.substr(dot + 1));
  if (!number || !id) return std::nullopt;
  Position position{.id = *id};
  if (order == ListOrder::created_at) {
    position.created_at = static_cast<std::int64_t>(*number);
  } else {
    position.importance = std::bit_cast<double>(*number);
    if (!std::isfinite(position.importance)) return std::nullopt;
  }
  return position;
}

}  // namespace

Position position_of(const Row& row) {
  return {.importance = row.memory.importance,
          .created_at = row.memory.created_at.time_since_epoch().count(),
          .id = row.id,
          .key = row.memory.coordinate.key()};
}

std::string write_cursor(ListOrder order, bool descending, const Position& last) {
  std::string text = head(order, descending);
  switch (order) {
    case ListOrder::coordinate:
      for (const char byte : last.key) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      break;
    case ListOrder::created_at:
      text += fmt::format("{:x}.{:x}", static_cast<std::uint64_t>(last.created_at), last.id);
      break;
    case ListOrder::importance:
      text += fmt::format("{:x}.{:x}", std::bit_cast<std::uint64_t>(last.importance), last.id);
      break;
  }
  return text;
}

Result<Position> read_cursor(std::string_view text, ListOrder order, bool descending) {
  if (text.starts_with(head(order, descending))) {
    const std::string_view body = text.substr(2);
    if (order == ListOrder::coordinate) {
      if (auto key = read_key(body)) return Position{.key = std::move(*key)};
    } else if (auto position = read_numbers(body, order)) {
      return *position;
    }
  }
  return make_error(Errc::invalid_argument, "after: not the end of a page in this order and direction");
}

}  // namespace fractal
