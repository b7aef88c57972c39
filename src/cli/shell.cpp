// shell: a prompt for many commands on one open database.
// Invariant: a command that fails does not end the shell; the exit code is that of the last command. The only file that
// knows the line editor.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/line_words.h"
#include "src/cli/place.h"
#include "src/cli/suggestion.h"

#include <editline/readline.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

namespace fractal::cli {
namespace {

constexpr int lines_of_history = 1000;

// Candidates for what is being typed; the library asks for them by number.
std::vector<std::string>& candidates() {
  static std::vector<std::string> names;
  return names;
}

char* candidate(const char* /*typed*/, int number) {
  const auto index = static_cast<std::size_t>(number);
  return index < candidates().size() ? strdup(candidates()[index].c_str()) : nullptr;
}

// Commands in the first place, after it options of that command.
char** complete(const char* typed, int begin, int /*end*/) {
  const Commands commands{Settings{}};
  const std::string before(rl_line_buffer, static_cast<std::size_t>(begin));
  const auto words = words_of(before);
  candidates().clear();
  const auto offer = [&](const std::string& name) {
    if (name.starts_with(typed)) candidates().push_back(name);
  };
  if (words && words->empty()) {
    for (const auto& each : commands.descriptions()) offer(each.name);
    offer("exit");
  } else if (words) {
    std::vector<const CLI::App*> trees{&commands.root()};
    for (const auto& each : commands.descriptions()) {
      if (each.name == (*words)[0]) trees.push_back(&commands.command(each.name));
    }
    for (const CLI::App* app : trees) {
      for (const std::string& name : option_names(*app)) offer(name);
    }
  }
  rl_attempted_completion_over = 1;
  return candidates().empty() ? nullptr : rl_completion_matches(typed, candidate);
}

// The next character; -1 at the end, and at Ctrl-C, whenever it comes: a read that has not begun yet would not notice.
int read_character(std::FILE* /*in*/) {
  constexpr int pause = 100;  // milliseconds
  std::mbstate_t state{};
  while (!interrupted()) {
    pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    char byte = 0;
    if (::poll(&waiting, 1, pause) <= 0) continue;
    const ssize_t read = ::read(STDIN_FILENO, &byte, 1);
    if (read == 0 || (read < 0 && errno != EINTR)) return -1;
    if (read < 0) continue;
    wchar_t character = 0;
    const std::size_t length = std::mbrtowc(&character, &byte, 1, &state);
    if (length == static_cast<std::size_t>(-1)) state = {};              // no character: it is dropped
    if (length == 0 || length == 1) return static_cast<int>(character);  // else more bytes are to come
  }
  return -1;
}

std::string history_file() {
  const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
  if ((!state || !*state) && (!home || !*home)) return "";
  const std::filesystem::path folder =
      (state && *state ? std::filesystem::path(state) : std::filesystem::path(home) / ".local/state") / "fractal";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return error ? "" : (folder / "history").string();
}

// Lines from people, or from a file or pipe without a prompt.
class Lines {
 public:
  Lines() : people_(isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
    if (!people_) return;
    rl_getc_function = read_character;
    rl_initialize();
    rl_attempted_completion_function = complete;
    stifle_history(lines_of_history);
    file_ = history_file();
    if (!file_.empty()) read_history(file_.c_str());
  }
  ~Lines() {
    if (people_ && !file_.empty()) write_history(file_.c_str());
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  bool people() const { return people_; }

  std::optional<std::string> next(const char* prompt) const {
    if (!people_) {
      std::string line;
      if (std::getline(std::cin, line)) return line;
      return std::nullopt;
    }
    const std::unique_ptr<char, void (*)(void*)> line(readline(prompt), std::free);
    if (!line) return std::nullopt;
    return std::string(line.get());
  }

  void remember(const std::string& line) const {
    if (people_) add_history(line.c_str());
  }

 private:
  bool people_;
  std::string file_;
};

void help() {
  fmt::print(
      "Commands without the word fractal before them, as: search green tea\n"
      "JSON needs no quotes and may take more lines; a word and --help shows a command; exit, or Ctrl-D, ends.\n");
}

// Runs what is whole, and keeps what is not for the next line.
class Prompt {
 public:
  explicit Prompt(Session& session) : session_(session), settings_(session.settings()) {}

  // False: the shell ends.
  bool step() {
    auto line = lines_.next(text_.empty() ? "fractal> " : "     ... ");
    if (interrupted()) return after_interrupt();
    if (!line) return false;
    if (text_.empty() && line->starts_with('#')) return true;
    text_ += (text_.empty() ? "" : "\n") + *line;
    const auto words = words_of(text_);
    if (!words) return true;
    const std::string whole = std::exchange(text_, "");
    if (words->empty()) return true;
    lines_.remember(whole);
    if (words->front() == "exit" || words->front() == "quit") return false;
    if (words->front() == "help" || words->front() == "shell") {
      help();
    } else {
      run(*words);
    }
    return !interrupted() || after_interrupt();
  }

  void finish() const {
    if (lines_.people()) fmt::print("\n");
    if (!text_.empty()) throw usage_error("the last line does not end: " + text_);
    if (code_ != exit_ok) throw Failure(static_cast<ExitCode>(code_), "");
  }

  bool people() const { return lines_.people(); }

 private:
  void run(const std::vector<std::string>& words) {
    code_ = run_line(session_, words);
    session_.use(settings_);
    // A command may have read standard input to its end; a terminal's goes on.
    if (lines_.people()) std::clearerr(stdin);
  }

  // People get a new line, a script ends.
  bool after_interrupt() {
    if (!lines_.people() || terminated()) throw Failure(exit_interrupted, "interrupted");
    forget_interrupt();
    text_.clear();
    fmt::print("\n");
    return true;
  }

  Session& session_;
  Settings settings_;
  Lines lines_;
  std::string text_;
  int code_ = exit_ok;
};

void shell(Session& session) {
  session.memory(Access::create);  // a wrong name is told at once
  Prompt prompt(session);
  if (prompt.people()) fmt::print("fractal {} on {}; help tells more\n", version(), shown(session.settings().db));
  while (prompt.step()) continue;
  prompt.finish();
}

}  // namespace

void add_shell(Commands& commands) {
  commands.add({.name = "shell",
                .group = "More",
                .summary = "A prompt with history and completion, or a script of lines",
                .example = "echo stats | fractal shell"},
               shell);
}

}  // namespace fractal::cli
