// Standard output: text for people, or a line of JSON for each thing.
#ifndef FRACTAL_SRC_CLI_OUTPUT_H
#define FRACTAL_SRC_CLI_OUTPUT_H

#include "src/cli/terminal.h"

#include <string>
#include <string_view>

namespace fractal::cli {

// Failures to write end the program with exit code 4; a broken pipe ends it quietly (interrupt.h).
class Output {
 public:
  Output(Terminal terminal, bool json) : terminal_(terminal), json_(json) {}

  bool json() const noexcept { return json_; }
  const Terminal& terminal() const noexcept { return terminal_; }
  // A line break is added.
  void line(std::string_view text) const;
  // As it is.
  void text(std::string_view text) const;
  // What has been written so far is on its way.
  void flush() const;

 private:
  Terminal terminal_;
  bool json_;
};

}  // namespace fractal::cli

#endif
