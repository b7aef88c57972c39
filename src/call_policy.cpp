// Invariant: a server that does not answer costs one caller at a time its time-out, and the others nothing.
#include "src/call_policy.h"

#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <thread>

namespace fractal {

bool CallPolicy::ended(const Control* control) const {
  return stopping_ || (control != nullptr && !check_control(*control, "call"));
}

std::string CallPolicy::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

Result<void> CallPolicy::admit() {
  if (stopping_) return make_error(Errc::unavailable, "{}: it is being closed", name_);
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) return {};
  if (trying_ || Clock::now() < closed_until_) {
    return make_error(Errc::unavailable, "{}: it did not answer just now: {}", name_, problem_);
  }
  trying_ = true;
  return {};
}

void CallPolicy::succeeded() {
  const std::lock_guard lock(mutex_);
  budget_ = std::min(setting_.budget, budget_ + setting_.earned);
  problem_.clear();
  pause_ = {};
  trying_ = false;
}

void CallPolicy::failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  problem_ = error.message;
  pause_ = std::clamp(pause_ * 2, setting_.first_pause, setting_.longest_pause);
  closed_until_ = Clock::now() + pause_ / 2 + std::chrono::milliseconds(random_() % (pause_.count() / 2 + 1));
  trying_ = false;
}

void CallPolicy::give_back() {
  const std::lock_guard lock(mutex_);
  trying_ = false;
}

bool CallPolicy::may_repeat() {
  const std::lock_guard lock(mutex_);
  if (budget_ < 1) return false;
  budget_ -= 1;
  return true;
}

void CallPolicy::rest(const Control* control, int attempt) {
  std::chrono::milliseconds left;
  {
    const std::lock_guard lock(mutex_);
    const auto most = std::min(setting_.first_delay * (1 << std::min(attempt - 1, 10)), setting_.longest_delay);
    left = std::chrono::milliseconds(1 + random_() % most.count());
  }
  constexpr std::chrono::milliseconds step{10};
  for (; left.count() > 0 && !ended(control); left -= step) std::this_thread::sleep_for(std::min(left, step));
}

}  // namespace fractal
