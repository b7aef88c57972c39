// Invariant: a suggestion is a name that would have been understood.
#include "src/cli/suggestion.h"

#include <fmt/format.h>

#include <algorithm>

namespace fractal::cli {
namespace {

// Edits and swaps of neighbours: the optimal string alignment distance.
std::size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string unknown(const std::string& what, const std::string& typed, const std::vector<std::string>& names) {
  const std::string meant = nearest_name(typed, names);
  return fmt::format("unknown {} '{}'{}", what, typed, meant.empty() ? "" : fmt::format("; did you mean {}?", meant));
}

bool takes_value(const CLI::App& app, const std::string& option) {
  const CLI::Option* found = app.get_option_no_throw(option);
  return found && found->get_items_expected_min() > 0;
}

}  // namespace

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string nearest_name(const std::string& typed, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = 0;
  for (const std::string& name : names) {
    const std::size_t distance = edits(typed, name);
    if (3 * distance <= std::max(typed.size(), name.size()) && (best.empty() || distance < least)) {
      best = name;
      least = distance;
    }
  }
  return best;
}

std::string explain_usage(const CLI::App& root, const std::vector<std::string>& words, const std::string& reason) {
  std::vector<std::string> commands;
  for (const CLI::App* each : root.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(each->get_name());
  }
  const CLI::App* command = nullptr;
  std::vector<std::string> known = option_names(root);
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const std::string word = words[i].substr(0, words[i].find('='));
    if (word.starts_with("--")) {
      if (!contains(known, word)) return unknown("option", word, known);
      if (words[i] == word && (takes_value(root, word) || (command && takes_value(*command, word)))) ++i;
    } else if (!command && !word.starts_with('-')) {
      if (!contains(commands, word)) return unknown("command", word, commands);
      command = root.get_subcommand(word);
      const std::vector<std::string> more = option_names(*command);
      known.insert(known.end(), more.begin(), more.end());
    }
  }
  return reason + (command ? fmt::format(" (fractal {} --help)", command->get_name()) : " (fractal --help)");
}

}  // namespace fractal::cli
