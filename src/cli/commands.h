// The tree of commands: from it come parsing, help, the manual page and the completions.
#ifndef FRACTAL_SRC_CLI_COMMANDS_H
#define FRACTAL_SRC_CLI_COMMANDS_H

#include "src/cli/session.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace fractal::cli {

class Commands {
 public:
  using Action = std::function<void(Session&)>;
  struct Description {
    std::string name, group, summary;
    std::string example;  // a command line that works after those of docs/command.md; a test runs it
  };

  explicit Commands(const Settings& defaults);

  // Options are added to what comes back; the action runs when all of the line is understood.
  CLI::App& add(const Description& description, Action action);
  // Understands the words, then acts. Throws Failure, fractal::Exception.
  void run(std::vector<std::string> words, Session& session);

  const CLI::App& root() const noexcept { return root_; }
  const std::vector<Description>& descriptions() const noexcept { return descriptions_; }
  const CLI::App& command(const std::string& name) const { return *root_.get_subcommand(name); }

 private:
  void parse(const std::vector<std::string>& words);

  Settings settings_;
  CLI::App root_;
  std::vector<Description> descriptions_;
  Action action_;
};

// Each file of commands adds its own.
void add_memories(Commands& commands);
void add_search(Commands& commands);
void add_links(Commands& commands);
void add_import(Commands& commands);
void add_exchange(Commands& commands);
void add_copy(Commands& commands);
void add_changes(Commands& commands);
void add_care(Commands& commands);
void add_bench(Commands& commands);
void add_demo(Commands& commands);
void add_serve(Commands& commands);  // only with the component server
void add_shell(Commands& commands);
void add_completion(Commands& commands);

// For the commands of an optional part: its folder names their source to the build (FRACTAL_COMMAND_SOURCES), which is
// compiled into the program and adds them before main(). They stand behind add_care's. Always true.
bool add_commands(void (*add)(Commands& commands));

// One line, to its end; the exit code. Failures are told on standard error.
int run_line(Session& session, const std::vector<std::string>& words);

}  // namespace fractal::cli

#endif
