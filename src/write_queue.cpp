// Invariant: exactly one thread, the owner of the front of the queue, is inside Storage::apply; it
// answers every request of its group, whatever happens, and then wakes the next front.
#include "src/write_queue.h"

#include "src/error.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <vector>

namespace fractal {
namespace {
// More would make the first caller of a group wait for the last.
constexpr std::size_t largest_group = 256;
}  // namespace

struct WriteQueue::Waiting {
  WriteRequest& request;
  Result<void> outcome{};
  bool done = false;
  std::condition_variable wake{};
};

Result<void> WriteQueue::submit(WriteRequest& request) {
  Waiting self{request};
  std::unique_lock lock(mutex_);
  queue_.push_back(&self);
  arrived_.notify_one();
  self.wake.wait(lock, [&] { return self.done || queue_.front() == &self; });
  if (!self.done) lead(lock);
  return std::move(self.outcome);
}

void WriteQueue::lead(std::unique_lock<std::mutex>& lock) {
  await_company(lock);
  const std::size_t size = std::min(queue_.size(), largest_group);
  std::vector<Waiting*> group(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
  lock.unlock();
  const auto begin = std::chrono::steady_clock::now();
  commit(group);
  const auto took = std::chrono::steady_clock::now() - begin;
  lock.lock();
  last_group_ = size;
  last_commit_ = std::chrono::duration_cast<std::chrono::microseconds>(took);
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
  for (Waiting* waiting : group) {
    waiting->done = true;
    waiting->wake.notify_one();
  }
  if (!queue_.empty()) queue_.front()->wake.notify_one();
}

// The callers of the group before come back at about the same time: waiting for them, a fraction of
// what a commit costs, makes one commit of what would be two. A lone writer never waits.
void WriteQueue::await_company(std::unique_lock<std::mutex>& lock) {
  if (last_group_ <= 1 || queue_.size() >= last_group_) return;
  const auto patience = std::min(last_commit_ / 4, std::chrono::microseconds(500));
  arrived_.wait_for(lock, patience, [&] { return queue_.size() >= last_group_; });
}

void WriteQueue::commit(std::span<Waiting* const> group) noexcept {
  Result<void> whole;
  std::vector<WriteStep> steps;
  try {
    steps.reserve(group.size());
    for (Waiting* waiting : group) steps.push_back({waiting->request.run, {}});
    whole = storage_.apply(steps);
  } catch (const std::exception& exception) {
    whole = Error{Errc::unavailable, std::string("write: ") + exception.what()};
  }
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i]->outcome = whole ? std::move(steps[i].outcome) : whole;
    if (group[i]->outcome && group[i]->request.committed) group[i]->request.committed();
  }
}

}  // namespace fractal
