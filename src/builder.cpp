// Invariant: after stop() the work function is not running and will not be called again.
#include "src/builder.h"

#include <algorithm>
#include <utility>

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace fractal {
namespace {

// A tenth of what a thread that answers gets, where both want the core. With less, a machine that never rests would
// never get its graph.
void take_low_priority() {
#ifdef __linux__
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 10);  // on Linux a thread's own
#endif
}

}  // namespace

Builder::~Builder() { stop(); }

void Builder::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    thread = std::move(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

void Builder::enqueue(std::uint64_t space) {
  const std::lock_guard lock(mutex_);
  if (stopping() || std::find(waiting_.begin(), waiting_.end(), space) != waiting_.end()) return;
  waiting_.push_back(space);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
}

void Builder::run() {
  take_low_priority();
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping() || !waiting_.empty(); });
    if (stopping()) return;
    const std::uint64_t space = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    work_(space);
    lock.lock();
  }
}

}  // namespace fractal
