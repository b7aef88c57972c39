// The one thread that builds in the background. It starts with the first piece of work and has a low
// priority, so that queries go first wherever cores are few.
#ifndef FRACTAL_SRC_BUILDER_H
#define FRACTAL_SRC_BUILDER_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace fractal {

class Builder {
 public:
  // `work` is called for one space after the other; it must return soon once stopping() is true.
  explicit Builder(std::function<void(std::uint64_t space)> work) : work_(std::move(work)) {}
  // Waits for the work in hand to stop.
  ~Builder();

  // A space that is waiting already does not wait twice.
  void enqueue(std::uint64_t space);
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  void stop();

 private:
  void run();

  const std::function<void(std::uint64_t)> work_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::uint64_t> waiting_;
  std::thread thread_;
};

}  // namespace fractal

#endif
