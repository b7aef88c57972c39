// Whether the backends work, for those who ask often and without a token.
#ifndef FRACTAL_SRC_SERVER_HEALTH_PROBE_H
#define FRACTAL_SRC_SERVER_HEALTH_PROBE_H

#include <fractal/fractal_memory.h>

#include <chrono>
#include <mutex>

namespace fractal::server {

// Any thread. The memory is asked once a second at most, however many ask here.
class HealthProbe {
 public:
  bool healthy(const FractalMemory& memory) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return healthy_;
    const auto health = memory.health();
    healthy_ = health && health->ok;
    next_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    return healthy_;
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_{};
  bool healthy_ = false;
};

}  // namespace fractal::server

#endif
