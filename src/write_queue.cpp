// Invariant: exactly one thread, the one that leads, is inside Storage::apply; it answers every request of its
// group, whatever happens, and then wakes the one whose turn is next.
#include "src/write_queue.h"

#include "src/error.h"

#include <algorithm>
#include <chrono>
#include <exception>

namespace fractal {
namespace {
// Entries. More would make the first caller of a group wait for the last.
constexpr std::size_t largest_group = 64;
constexpr std::size_t tenants_remembered = 64;
}  // namespace

struct WriteQueue::Waiting {
  WriteRequest& request;
  std::size_t size;
  std::uint64_t start = 0;
  Result<void> outcome{};
  bool done = false;
  std::condition_variable wake{};
};

WriteQueue::WriteQueue(Storage& storage) : storage_(storage) { group_.reserve(largest_group); }

Result<void> WriteQueue::submit(WriteRequest& request) {
  Waiting self{request, std::max<std::size_t>(request.size, 1)};
  bool has_led = false;
  {
    Lock lock(mutex_);
    enqueue(self);
    arrived_.notify_one();
    while (!self.done) {
      self.wake.wait(lock, [&] { return self.done || (!led_ && queue_.front() == &self); });
      if (self.done) break;
      lead(lock);
      has_led = true;
    }
  }
  if (has_led) storage_.tidy();
  return std::move(self.outcome);
}

std::size_t WriteQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void WriteQueue::enqueue(Waiting& waiting) {
  std::uint64_t& end = ends_[std::string(waiting.request.tenant)];
  waiting.start = std::max(now_, end);
  end = waiting.start + waiting.size;
  const auto later = [](std::uint64_t start, const Waiting* other) { return start < other->start; };
  queue_.insert(std::upper_bound(queue_.begin(), queue_.end(), waiting.start, later), &waiting);
}

void WriteQueue::lead(Lock& lock) {
  led_ = true;
  await_company(lock);
  take_group();
  lock.unlock();
  const auto begin = std::chrono::steady_clock::now();
  commit();
  const auto took = std::chrono::steady_clock::now() - begin;
  lock.lock();
  led_ = false;
  last_group_ = group_.size();
  last_commit_ = std::chrono::duration_cast<std::chrono::microseconds>(took);
  for (Waiting* waiting : group_) {
    waiting->done = true;
    waiting->wake.notify_one();
  }
  if (queue_.empty()) begin_anew();
  if (!queue_.empty()) queue_.front()->wake.notify_one();
}

// Nobody waits: what tenants have used up does not count against them any more.
void WriteQueue::begin_anew() {
  for (const auto& [tenant, end] : ends_) now_ = std::max(now_, end);
  ends_.clear();
}

// The callers of the group before come back at about the same time: waiting for them, a fraction of
// what a commit costs, makes one commit of what would be two. A lone writer never waits.
void WriteQueue::await_company(Lock& lock) {
  if (last_group_ <= 1 || queue_.size() >= last_group_ || queue_.front()->size >= largest_group) return;
  const auto patience = std::min(last_commit_ / 4, std::chrono::microseconds(500));
  arrived_.wait_for(lock, patience, [&] { return queue_.size() >= last_group_; });
}

void WriteQueue::take_group() {
  group_.clear();
  std::size_t entries = 0;
  while (!queue_.empty() && (group_.empty() || entries + queue_.front()->size <= largest_group)) {
    Waiting* const next = queue_.front();
    queue_.pop_front();
    group_.push_back(next);
    entries += next->size;
    now_ = next->start;
  }
  if (ends_.size() > tenants_remembered + queue_.size()) {
    std::erase_if(ends_, [this](const auto& tenant) { return tenant.second <= now_; });
  }
}

void WriteQueue::commit() noexcept {
  Result<void> whole;
  std::vector<WriteStep> steps;
  try {
    steps.reserve(group_.size());
    for (Waiting* waiting : group_) {
      const auto& expected = waiting->request.expected;
      steps.push_back({.run = waiting->request.run, .expected = expected ? &*expected : nullptr});
    }
    whole = storage_.apply(steps);
  } catch (const std::exception& exception) {
    whole = Error{Errc::unavailable, std::string("write: ") + exception.what()};
  }
  for (std::size_t i = 0; i < group_.size(); ++i) {
    group_[i]->outcome = whole ? std::move(steps[i].outcome) : whole;
    if (group_[i]->outcome && group_[i]->request.committed) group_[i]->request.committed();
  }
}

}  // namespace fractal
