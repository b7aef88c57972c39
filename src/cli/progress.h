// A bar for what takes longer than a second.
#ifndef FRACTAL_SRC_CLI_PROGRESS_H
#define FRACTAL_SRC_CLI_PROGRESS_H

#include "src/cli/terminal.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace fractal::cli {

// On standard error, if that is a terminal: share, rate and time left. Gone again when it is destroyed.
class Progress {
 public:
  // `unit`: of what is counted, as "memories".
  Progress(std::string label, std::string unit);
  ~Progress() { done(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // share: done so far, 0 to 1, or less than 0 if nobody knows.
  void update(std::uint64_t done, double share);
  // Takes the bar away: before the answer is printed.
  void done();
  // As Control::progress has it.
  void of(std::uint64_t done, std::uint64_t total) {
    update(done, total == 0 ? -1.0 : static_cast<double>(done) / static_cast<double>(total));
  }

 private:
  using Clock = std::chrono::steady_clock;

  Terminal terminal_;
  std::string label_, unit_;
  Clock::time_point begin_ = Clock::now(), shown_{};
  bool on_screen_ = false;
};

}  // namespace fractal::cli

#endif
