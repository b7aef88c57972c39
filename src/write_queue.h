// Group commit: concurrent callers share one transaction, and so one sync.
#ifndef FRACTAL_SRC_WRITE_QUEUE_H
#define FRACTAL_SRC_WRITE_QUEUE_H

#include <fractal/backend.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace fractal {

// One caller's write: a step for Storage::apply, and what to do once it is committed, before any
// caller returns and in commit order.
struct WriteRequest {
  std::function<Result<void>(WriteTransaction&)> run;
  std::function<void()> committed;
};

class WriteQueue {
 public:
  explicit WriteQueue(Storage& storage) : storage_(storage) {}

  // Returns when the request is committed, or with the error that undid it.
  Result<void> submit(WriteRequest& request);

 private:
  struct Waiting;
  void lead(std::unique_lock<std::mutex>& lock);
  void await_company(std::unique_lock<std::mutex>& lock);
  void commit(std::span<Waiting* const> group) noexcept;

  Storage& storage_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Waiting*> queue_;
  std::size_t last_group_ = 1;
  std::chrono::microseconds last_commit_{0};
};

}  // namespace fractal

#endif
