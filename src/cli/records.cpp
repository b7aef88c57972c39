// Invariant: numbers are shown as they read back; times for people are local, those for programs are UTC.
#include "src/cli/records.h"

#include "src/cli/payload_text.h"

#include <fractal/format.h>

#include <ctime>

namespace fractal::cli {

std::string local_time(Time time) {
  // Not by the system's clock: its nanoseconds end in 2262.
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

std::string size_text(std::uint64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.0f} kB", size / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", size / 1e6);
  return fmt::format("{:.1f} GB", size / 1e9);
}

std::string json_of(const Coordinate& coordinate) { return "[" + coordinate.to_string() + "]"; }

Table facts() { return Table({{.style = Style::faint}, {.flexible = true}}); }

std::string card(const Memory& memory, const Terminal& terminal) {
  const auto fact = [&](std::string_view name, const std::string& value) {
    return terminal.paint(Style::faint, fmt::format("{:<12}", name)) + value + "\n";
  };
  std::string text = terminal.paint(Style::strong, memory.coordinate.to_string()) + "\n";
  text += fact("payload", indented(memory.payload, 12, terminal));
  text += fact("type", std::string(to_string(memory.type)));
  text += fact("importance", fmt::format("{}", memory.importance));
  if (memory.metadata != "{}") text += fact("metadata", indented(memory.metadata, 12, terminal));
  if (!memory.embedding.empty()) text += fact("vector", fmt::format("{} components", memory.embedding.size()));
  text += fact("stored", local_time(memory.created_at));
  if (memory.version > 1) {
    text += fact("changed", fmt::format("{}, version {}", local_time(memory.updated_at), memory.version));
  }
  if (memory.expires_at) text += fact("expires", local_time(*memory.expires_at));
  return text + fact("id", memory.id.to_string());
}

}  // namespace fractal::cli
