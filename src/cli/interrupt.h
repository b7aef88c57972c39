// Ctrl-C: the first one asks the call that runs to stop, the second ends the program at once.
#ifndef FRACTAL_SRC_CLI_INTERRUPT_H
#define FRACTAL_SRC_CLI_INTERRUPT_H

#include <atomic>

namespace fractal::cli {

// Also takes SIGTERM. A broken pipe ends the program, as it ends cat and grep, even if the parent ignored it.
void watch_signals();
// For Control::cancel.
const std::atomic<bool>& interrupted() noexcept;
// By SIGTERM: no prompt goes on after it.
bool terminated() noexcept;
// The shell goes on after an interrupted command.
void forget_interrupt() noexcept;

}  // namespace fractal::cli

#endif
