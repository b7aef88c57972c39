// Invariant: a line of the report is at most 100 characters wide, and nothing but measures differs between
// two runs over the same data.
#include "report.h"

#include <fractal/backend.h>
#include <fractal/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <type_traits>
#include <utility>
#include <variant>

namespace {
constexpr std::size_t page_width = 100;
constexpr std::size_t name_width = 30;
constexpr std::size_t bar_width = 30;

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // not a continuation byte of UTF-8
}
}  // namespace

std::string cut(std::string_view text, std::size_t width) {
  std::size_t characters = 0;
  std::size_t last = 0;  // where the last character that may stay begins
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!begins_character(text[i])) continue;
    if (++characters == width) last = i;
    if (characters > width) return std::string(text.substr(0, last)) + "…";
  }
  return std::string(text);
}

std::string fitted(std::string_view text, std::size_t width) {
  auto out = cut(text, width);
  const auto characters = static_cast<std::size_t>(std::count_if(out.begin(), out.end(), begins_character));
  return out.append(width - characters, ' ');
}

std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string field(const fractal::Memory& memory, std::string_view path) {
  const auto value = fractal::value_at(memory.payload, path);
  if (!value) return {};
  return std::visit(
      [](const auto& held) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::nullptr_t>)
          return {};
        else
          return fmt::format("{}", held);
      },
      value->variant());
}

Report::Report(bool measures) : measures_(measures), terminal_(isatty(STDOUT_FILENO) == 1) {}

void Report::title(std::string_view text) const {
  fmt::print("{}\n{:=<{}}\n", text, "", std::min(text.size(), page_width));
}

void Report::heading(std::string_view text) {
  const std::string line = fmt::format("{}. {}", ++section_, text);
  if (terminal_)
    fmt::print("\n\033[1m{}\033[0m\n", line);
  else
    fmt::print("\n{}\n", line);
}

void Report::line(std::string_view text) const { fmt::print("   {}\n", text); }

void Report::entry(std::string_view name, std::string_view value) const {
  fmt::print("   {} {}\n", fitted(name, name_width), value);
}

void Report::hits(const fractal::SearchResult& found, const Stopwatch& watch) const {
  const double spent = watch.milliseconds();
  for (const auto& hit : found.hits) {
    fmt::print("   {:6.3f}  {}  {}\n", hit.score, fitted(field(hit.memory, "title"), name_width),
               cut(field(hit.memory, "text"), page_width - name_width - 13));
  }
  fmt::print("   {} matched, {}{}", grouped(found.matched), found.exact ? "exact: " : "", found.plan);
  if (measures_) fmt::print("; {:.2f} ms", spent);
  fmt::print("\n");
}

void Report::took(std::string_view what, const Stopwatch& watch) const {
  const double spent = watch.milliseconds();
  if (measures_)
    fmt::print("   {}; {:.2f} ms\n", what, spent);
  else
    fmt::print("   {}\n", what);
}

Progress::Progress(const Report& report, std::string label, std::uint64_t total)
    : report_(report), label_(std::move(label)), total_(total) {
  draw();
}

void Progress::advance(std::uint64_t by) {
  done_ += by;
  const auto thousandths = total_ == 0 ? 1000 : done_ * 1000 / total_;
  if (thousandths != drawn_) draw();
  drawn_ = thousandths;
}

void Progress::finish() {
  if (report_.terminal()) fmt::print("\r\033[K");
  report_.line(state());
}

std::string Progress::state() const {
  std::string text = fmt::format("{} {:>9}", fitted(label_, 10), grouped(done_));
  const double seconds = watch_.milliseconds() / 1000;
  if (report_.measures() && seconds > 0)
    text += fmt::format("  {:>9}/s  {:6.1f} s",
                        grouped(static_cast<std::uint64_t>(static_cast<double>(done_) / seconds)), seconds);
  return text;
}

void Progress::draw() {
  if (!report_.terminal()) return;
  const auto full = total_ == 0 ? bar_width : std::min<std::size_t>(bar_width, done_ * bar_width / total_);
  fmt::print("\r   [{:#<{}}{:.<{}}] {}\033[K", "", full, "", bar_width - full, state());
  std::fflush(stdout);
}
