// Invariant: nothing is opened or written before all of the command line has been understood.
#include "src/cli/commands.h"

#include "src/cli/failure.h"
#include "src/cli/help.h"
#include "src/cli/interrupt.h"
#include "src/cli/json_object.h"
#include "src/cli/suggestion.h"
#include "src/cli/text_width.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>

namespace fractal::cli {
namespace {

std::string error_json(std::string_view code, std::string_view message) {
  const std::string error = JsonObject().text("code", code).text("message", message).str();
  return JsonObject().raw("error", error).str();
}

void tell(const Session& session, std::string_view code, std::string_view message) {
  if (message.empty()) return;
  const std::string line = session.settings().json
                               ? error_json(code, message)
                               : Terminal::of(stderr).paint(Style::bad, "fractal") + ": " + one_line(message);
  std::fputs((line + "\n").c_str(), stderr);  // who has closed it does not want to know
}

// Coordinates as --json prints them, [1.0,2.0], are coordinates. (CLI11 would take them for lists.)
void accept_brackets(std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string& word = words[i];
    const bool of_vector = i > 0 && words[i - 1] == "--vector";
    if (!of_vector && word.size() > 2 && word.front() == '[' && word.back() == ']' &&
        word.find_first_not_of("+-.,0123456789eE_ ", 1) == word.size() - 1) {
      word.pop_back();
      word.erase(0, 1);
    }
  }
}

// Made by the first who asks: that may be another file's initialisation.
std::vector<void (*)(Commands&)>& optional_commands() {
  static std::vector<void (*)(Commands&)> all;
  return all;
}

void add_optional(Commands& commands) {
  for (const auto add : optional_commands()) add(commands);
}

std::string_view name_of(ExitCode code) {
  switch (code) {
    case exit_not_found: return "not_found";
    case exit_usage: return "usage";
    case exit_refused: return "refused";
    case exit_interrupted: return "interrupted";
    default: return "backend";
  }
}

}  // namespace

Commands::Commands(const Settings& defaults) : settings_(defaults), root_("", "fractal") {
  root_.require_subcommand(1);
  root_.set_help_flag("-h,--help", "Show this");
  root_.set_version_flag(
      "--version", [] { return fmt::format("fractal {}", version()); }, "Show the version");
  root_.add_option("--db", settings_.db, "The database: a file, or a server")->type_name("FILE|URL");
  root_.add_option("--vector-index", settings_.vector_index, "The server that keeps the vectors, too")
      ->type_name("URL");
  root_.add_option("--tenant", settings_.space.tenant, "Whose memories")->type_name("T");
  root_.add_option("--namespace", settings_.space.name, "Which of the tenant's memories")->type_name("N");
  root_.add_flag("--json", settings_.json, "An object of JSON a line");
  for (const auto& add_them : {add_memories, add_search, add_links, add_import, add_exchange, add_copy, add_changes,
#ifdef FRACTAL_SERVER
                               add_serve,
#endif
                               add_care, add_optional, add_bench, add_demo, add_shell, add_completion}) {
    add_them(*this);
  }
}

bool add_commands(void (*add)(Commands& commands)) {
  optional_commands().push_back(add);
  return true;
}

CLI::App& Commands::add(const Description& description, Action action) {
  CLI::App& command = *root_.add_subcommand(description.name, description.summary);
  command.fallthrough();
  command.callback([this, action = std::move(action)] { action_ = action; });
  descriptions_.push_back(description);
  return command;
}

void Commands::parse(const std::vector<std::string>& words) {
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    root_.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    const auto chosen = root_.get_subcommands();
    const std::string page = chosen.empty() ? front_page(*this) : command_page(*this, chosen.front()->get_name());
    action_ = [page](Session& session) { session.output().text(page); };
  } catch (const CLI::CallForVersion& called) {
    const std::string line = called.what();
    action_ = [line](Session& session) { session.output().line(line); };
  } catch (const CLI::ParseError& error) { throw usage_error(explain_usage(root_, words, error.what())); }
}

void Commands::run(std::vector<std::string> words, Session& session) {
  if (words.empty()) words.emplace_back("--help");
  accept_brackets(words);
  try {
    parse(words);
  } catch (const Failure&) {
    // Whoever asked for JSON gets it for what is wrong with the line, too.
    Settings known = session.settings();
    known.json = known.json || std::find(words.begin(), words.end(), "--json") != words.end();
    session.use(std::move(known));
    throw;
  }
  session.use(settings_);
  action_(session);
  session.output().flush();
}

int run_line(Session& session, const std::vector<std::string>& words) {
  try {
    Commands commands(session.settings());
    commands.run(words, session);
    return exit_ok;
  } catch (const Failure& failure) {
    tell(session, name_of(failure.code()), failure.what());
    return failure.code();
  } catch (const Exception& failure) {
    if (interrupted()) {
      tell(session, name_of(exit_interrupted), "interrupted");
      return exit_interrupted;
    }
    tell(session, to_string(failure.error().code), failure.what());
    return exit_code(failure.error().code);
  } catch (const std::exception& failure) {
    tell(session, "backend", failure.what());
    return exit_backend;
  }
}

}  // namespace fractal::cli
