// Whether the backends work, for those who ask often and without a token.
#ifndef FRACTAL_SRC_SERVER_HEALTH_PROBE_H
#define FRACTAL_SRC_SERVER_HEALTH_PROBE_H

#include <fractal/fractal_memory.h>

#include <atomic>
#include <chrono>
#include <mutex>

namespace fractal::server {

// Any thread. The memory is asked once a second at most, by one of those who ask here; the others get what was known.
class HealthProbe {
 public:
  bool healthy(const FractalMemory& memory) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || std::chrono::steady_clock::now() < next_) return healthy_;
    const auto health = memory.health();
    healthy_ = health && health->ok;
    next_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    return healthy_;
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_{};
  std::atomic<bool> healthy_{true};
};

}  // namespace fractal::server

#endif
