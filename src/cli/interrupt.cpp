// Invariant: the handler touches a lock-free atomic and signal dispositions alone.
#include "src/cli/interrupt.h"

#include <csignal>

namespace fractal::cli {
namespace {

std::atomic<bool> stop{false}, by_term{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int number) {
  if (number == SIGTERM) by_term = true;
  if (stop.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
}

}  // namespace

// Without SA_RESTART: who waits for standard input must notice.
void watch_signals() {
  std::signal(SIGPIPE, SIG_DFL);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const std::atomic<bool>& interrupted() noexcept { return stop; }
bool terminated() noexcept { return by_term; }
void forget_interrupt() noexcept { stop = false; }

}  // namespace fractal::cli
