// How a command ends other than well.
#ifndef FRACTAL_SRC_CLI_FAILURE_H
#define FRACTAL_SRC_CLI_FAILURE_H

#include <fractal/result.h>

#include <stdexcept>
#include <string>

namespace fractal::cli {

// A promise to scripts: docs/command.md.
enum ExitCode {
  exit_ok = 0,
  exit_not_found = 1,
  exit_usage = 2,
  exit_refused = 3,
  exit_backend = 4,
  exit_interrupted = 130,
};

inline ExitCode exit_code(Errc code) {
  switch (code) {
    case Errc::not_found: return exit_not_found;
    case Errc::invalid_argument:
    case Errc::conflict: return exit_refused;
    default: return exit_backend;
  }
}

// Carries the exit code. An empty message: all has been said. fractal::Exception has its code from exit_code().
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

inline Failure usage_error(const std::string& message) { return Failure(exit_usage, message); }

}  // namespace fractal::cli

#endif
