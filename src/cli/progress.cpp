// Invariant: nothing is written where standard error is no terminal, and nothing stays on the screen.
#include "src/cli/progress.h"

#include "src/cli/text_width.h"

#include <fmt/format.h>

#include <algorithm>

namespace fractal::cli {
namespace {

using std::chrono::seconds;

constexpr auto wait = seconds(1);
constexpr auto between = std::chrono::milliseconds(100);
constexpr std::size_t bar_columns = 24;

std::string minutes(double left) {
  const auto whole = static_cast<long>(std::min(left + 0.5, 359'999.0));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string label, std::string unit)
    : terminal_(Terminal::of(stderr)), label_(std::move(label)), unit_(std::move(unit)) {}

void Progress::done() {
  if (!on_screen_) return;
  on_screen_ = false;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

void Progress::update(std::uint64_t done, double share) {
  const auto now = Clock::now();
  if (!terminal_.interactive() || now - begin_ < wait || now - shown_ < between) return;
  shown_ = now;
  const double taken = std::chrono::duration<double>(now - begin_).count();
  std::string line = label_ + " ";
  if (share >= 0) {
    share = std::clamp(share, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * bar_columns);
    line += fmt::format("[{}{}] {:3.0f} % ", std::string(full, '='), std::string(bar_columns - full, ' '), 100 * share);
  }
  line += fmt::format("{} {}, {:.0f}/s", done, unit_, static_cast<double>(done) / taken);
  if (share > 0) line += fmt::format(", {} left", minutes(taken * (1 - share) / share));
  fmt::print(stderr, "\r{}\x1b[K", cut(line, std::max<std::size_t>(terminal_.width(), 2) - 1));
  std::fflush(stderr);
  on_screen_ = true;
}

}  // namespace fractal::cli
