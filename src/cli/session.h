// The database that commands work on, and how they talk: for one command, or for all of a shell.
#ifndef FRACTAL_SRC_CLI_SESSION_H
#define FRACTAL_SRC_CLI_SESSION_H

#include "src/cli/output.h"
#include "src/cli/progress.h"

#include <fractal/fractal_memory.h>

#include <optional>
#include <string>

namespace fractal::cli {

struct Settings {
  std::string db = "fractal.db";
  std::string vector_index{};  // a URL; empty: in this process
  Space space{};
  bool json = false;
};

enum class Access {
  read,    // a file that may not be written will do
  write,   // there must be a file
  create,  // made if need be
};

class Session {
 public:
  explicit Session(Settings settings) : settings_(std::move(settings)) {}

  const Settings& settings() const noexcept { return settings_; }
  // Another database than the open one: that is closed. Refused if it is in memory alone.
  void use(Settings settings);
  Output output() const { return {Terminal::of(stdout), settings_.json}; }
  // Opened at the first call, with Options::memory_budget. A missing file is a failure of the backend, with a hint.
  FractalMemory memory(Access access, std::uint64_t budget = 0);
  FractalMemory create(Options options);
  // Any database; that of the settings is this session's own, if it is in memory alone.
  FractalMemory open(const std::string& db, Access access, Options options);
  // Stops at Ctrl-C; null: without progress.
  static Control control(Progress* progress = nullptr);

 private:
  static FractalMemory opened(const std::string& db, Access access, Options options);

  Settings settings_;
  std::optional<FractalMemory> memory_;
};

}  // namespace fractal::cli

#endif
