// Invariant: on a terminal of 20 columns or more no line is longer than the terminal is wide.
#include "src/cli/table.h"

#include "src/cli/text_width.h"

#include <algorithm>

namespace fractal::cli {
namespace {

constexpr std::size_t gap = 2, readable = 20, narrowest = 1;
// Where there is no terminal nothing is cut, and a longer cell moves what follows it.
constexpr std::size_t most_blanks = 100;

std::size_t total(const std::vector<std::size_t>& wide) {
  std::size_t sum = 0;
  for (const std::size_t each : wide) sum += each + (each > 0 && sum > 0 ? gap : 0);
  return sum;
}

}  // namespace

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = one_line(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::paint(std::size_t column, Paint paint) { paints_.emplace_back(column, std::move(paint)); }

// Flexible columns give what is too much while they can be read; then optional ones go, the last first; then whichever is
// the widest gives.
std::vector<std::size_t> Table::widths(std::size_t available) const {
  std::vector<std::size_t> wide;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t most = width_of(columns_[i].title);
    for (const auto& cells : rows_) most = std::max(most, width_of(cells[i]));
    wide.push_back(most);
  }
  const auto shrink = [&](bool flexible_only, std::size_t least) {
    while (total(wide) > available) {
      std::size_t widest = wide.size();
      for (std::size_t i = 0; i < wide.size(); ++i) {
        if ((flexible_only && !columns_[i].flexible) || wide[i] <= least) continue;
        if (widest == wide.size() || wide[i] > wide[widest]) widest = i;
      }
      if (widest == wide.size()) return;
      --wide[widest];
    }
  };
  if (available == 0) {
    for (std::size_t& each : wide) each = std::min(each, most_blanks);
    return wide;
  }
  shrink(true, readable);
  for (std::size_t i = columns_.size(); i-- > 0 && total(wide) > available;) {
    if (columns_[i].optional) wide[i] = 0;
  }
  shrink(false, narrowest);
  return wide;
}

std::string Table::text(const Terminal& terminal) const {
  const std::vector<std::size_t> wide = widths(terminal.width());
  std::string text;
  const auto put_line = [&](const std::vector<std::string>& cells, bool heading) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (wide[i] == 0) continue;
      const std::string shown = terminal.width() == 0 ? cells[i] : cut(cells[i], wide[i]);
      const std::string blanks(wide[i] - std::min(wide[i], width_of(shown)), ' ');
      std::string painted = terminal.paint(heading ? Style::faint : columns_[i].style, shown);
      for (const auto& [column, paint] : paints_) {
        if (!heading && column == i) painted = paint(shown);
      }
      if (!line.empty()) line.append(gap, ' ');
      line += columns_[i].right ? blanks + painted : painted + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (std::any_of(titles.begin(), titles.end(), [](const std::string& title) { return !title.empty(); })) {
    put_line(titles, true);
  }
  for (const auto& cells : rows_) put_line(cells, false);
  return text;
}

}  // namespace fractal::cli
