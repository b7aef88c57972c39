// Tables that fit the terminal.
#ifndef FRACTAL_SRC_CLI_TABLE_H
#define FRACTAL_SRC_CLI_TABLE_H

#include "src/cli/terminal.h"

#include <functional>
#include <string>
#include <vector>

namespace fractal::cli {

struct Column {
  std::string title{};
  bool right = false;     // aligned
  bool flexible = false;  // gives way where the terminal is narrow
  bool optional = false;  // goes where it would be too narrow otherwise
  Style style = Style::plain;
};

class Table {
 public:
  using Paint = std::function<std::string(const std::string& cut)>;

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // A cell a column; each becomes one line.
  void row(std::vector<std::string> cells);
  // Instead of the style of the column's cells, of what is left after cutting.
  void paint(std::size_t column, Paint paint);
  bool empty() const noexcept { return rows_.empty(); }
  std::string text(const Terminal& terminal) const;

 private:
  // 0: the column is left out.
  std::vector<std::size_t> widths(std::size_t available) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::pair<std::size_t, Paint>> paints_;
};

}  // namespace fractal::cli

#endif
