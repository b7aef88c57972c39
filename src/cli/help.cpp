// Invariant: a page depends on the tree of commands alone, not on how CLI11 lays out its own; lines have 80 columns at most,
// but for examples.
#include "src/cli/help.h"

#include <fmt/format.h>

#include <sstream>

namespace fractal::cli {
namespace {

constexpr std::size_t page_width = 80, text_column = 26;

constexpr std::string_view front = R"(fractal: a long-term memory in one file

Usage: fractal [--db FILE|URL] [--tenant T] [--namespace N] [--json] COMMAND ...

{}
  --db FILE|URL    the database [fractal.db; or the variable FRACTAL_DB]
  --vector-index URL  a server that keeps the vectors [FRACTAL_VECTOR_INDEX]
  --tenant T       whose memories [default; FRACTAL_TENANT]
  --namespace N    which of them [default; FRACTAL_NAMESPACE]
  --json           an object of JSON a line, for programs

To begin:  fractal import notes/ && fractal search "what did we decide?"
More:      fractal COMMAND --help
)";

// What stands for a value: "N", "TEXT". Empty: a flag. CLI11 adds limits, which the description has.
std::string value_name(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  const std::string type = option.get_type_name();
  const std::string name = type.substr(0, type.find(':'));
  return name == "UINT" || name == "INT" ? "N" : name == "FLOAT" ? "NUMBER" : name;
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t column) {
  std::string lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (column > indent && column + 1 + word.size() > page_width) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

}  // namespace

std::string front_page(const Commands& commands) {
  std::vector<std::pair<std::string, std::string>> groups;
  for (const auto& each : commands.descriptions()) {
    if (groups.empty() || groups.back().first != each.group) groups.emplace_back(each.group, "");
    groups.back().second += " " + each.name;
  }
  std::string lists;
  for (const auto& [group, names] : groups) lists += fmt::format("{:<13}{}\n", group, names);
  return fmt::format(front, lists);
}

std::string option_usage(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::string name = option.get_name(false, true);
  if (const std::size_t comma = name.find(','); comma != name.npos) name.insert(comma + 1, " ");
  const std::string value = value_name(option);
  return value.empty() ? name : fmt::format("{} {}", name, value);
}

std::string command_page(const Commands& commands, const std::string& name) {
  const CLI::App& command = commands.command(name);
  std::string usage = "fractal " + name, rows, example;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) {
      const std::string shown = option->get_name(true) + (option->get_expected_max() > 1 ? " ..." : "");
      usage += option->get_required() ? fmt::format(" {}", shown) : fmt::format(" [{}]", shown);
    }
    std::string row = "  " + option_usage(*option);
    row += row.size() + 2 > text_column ? "\n" + std::string(text_column, ' ')
                                        : std::string(text_column - row.size(), ' ');
    rows += row + wrapped(option->get_description(), text_column, text_column) + "\n";
  }
  for (const auto& each : commands.descriptions()) {
    if (each.name == name) example = each.example;
  }
  return fmt::format("{}\n\nUsage: {} [options]\n\n{}\nExample:\n  {}\n", command.get_description(), usage, rows,
                     example);
}

}  // namespace fractal::cli
