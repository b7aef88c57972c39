// completion, version.
// Invariant: scripts and manual are made from the tree of commands alone.
#include "src/cli/commands.h"
#include "src/cli/manual.h"
#include "src/cli/records.h"
#include "src/cli/suggestion.h"

#include <fmt/format.h>

#include <memory>

namespace fractal::cli {
namespace {

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

// In single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string all = "'";
  for (const char c : text) {
    if (c == '\'') all += "'\\'";
    all += c;
  }
  all += '\'';
  return all;
}

std::string command_names(const Commands& commands) {
  std::vector<std::string> names;
  for (const auto& each : commands.descriptions()) names.push_back(each.name);
  return joined(names);
}

std::string bash(const Commands& commands) {
  std::string cases;
  for (const auto& each : commands.descriptions()) {
    cases += fmt::format("    {}) options=\"{}\" ;;\n", each.name, joined(option_names(commands.command(each.name))));
  }
  return fmt::format(R"(# bash completion for fractal
_fractal() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" command="" options="" i
  local commands="{0}"
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case " $commands " in *" ${{COMP_WORDS[i]}} "*) command="${{COMP_WORDS[i]}}"; break ;; esac
  done
  case "$command" in
{1}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options {2}" -- "$word"))
  elif [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$word"))
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}}
complete -F _fractal fractal
)",
                     command_names(commands), cases, joined(option_names(commands.root())));
}

std::string zsh_options(const CLI::App& app) {
  std::string options;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      std::string text = option->get_description();
      for (const char c : {'[', ']'}) std::replace(text.begin(), text.end(), c, ' ');
      const bool value = option->get_items_expected_min() > 0;
      const std::string shown = fmt::format("--{}{}[{}]{}", name, value ? "=" : "", text, value ? ":value:_files" : "");
      options.append(" ").append(quoted(shown));
    }
  }
  return options;
}

std::string zsh(const Commands& commands) {
  std::string list, cases;
  for (const auto& each : commands.descriptions()) {
    list += fmt::format("    {}\n", quoted(fmt::format("{}:{}", each.name, each.summary)));
    cases += fmt::format("        {}) _arguments{} '*:file:_files' ;;\n", each.name,
                         zsh_options(commands.command(each.name)));
  }
  return fmt::format(R"(#compdef fractal
_fractal() {{
  local -a commands
  commands=(
{}  )
  local state
  _arguments -C{} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
{}      esac ;;
  esac
}}
if [ "$funcstack[1]" = _fractal ]; then _fractal "$@"; else compdef _fractal fractal; fi
)",
                     list, zsh_options(commands.root()), cases);
}

std::string fish_options(const CLI::App& app, const std::string& condition) {
  std::string lines;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      lines += fmt::format("complete -c fractal{} -l {} -d {}{}\n", condition, name, quoted(option->get_description()),
                           option->get_items_expected_min() > 0 ? " -r" : "");
    }
  }
  return lines;
}

std::string fish(const Commands& commands) {
  const std::string names = command_names(commands);
  std::string lines = "# fish completion for fractal\n" + fish_options(commands.root(), "");
  for (const auto& each : commands.descriptions()) {
    lines += fmt::format("complete -c fractal -n 'not __fish_seen_subcommand_from {}' -f -a {} -d {}\n", names,
                         each.name, quoted(each.summary));
    lines += fish_options(commands.command(each.name), fmt::format(" -n '__fish_seen_subcommand_from {}'", each.name));
  }
  return lines;
}

void print_version(Session& session) {
  const Output out = session.output();
  out.line(out.json() ? JsonObject().text("version", version()).str() : fmt::format("fractal {}", version()));
}

}  // namespace

void add_completion(Commands& commands) {
  const auto shell = std::make_shared<std::string>();
  CLI::App& command = commands.add({.name = "completion",
                                    .group = "More",
                                    .summary = "Print the completions for bash, zsh or fish, or the manual page",
                                    .example = "fractal completion bash"},
                                   [&commands, shell](Session& session) {
                                     const Output out = session.output();
                                     if (*shell == "bash") out.text(bash(commands));
                                     if (*shell == "zsh") out.text(zsh(commands));
                                     if (*shell == "fish") out.text(fish(commands));
                                     if (*shell == "man") out.text(manual_page(commands));
                                   });
  command.add_option("shell", *shell, "bash, zsh, fish or man")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "man"}));
  commands.add({.name = "version", .group = "More", .summary = "Print the version", .example = "fractal version"},
               print_version);
}

}  // namespace fractal::cli
