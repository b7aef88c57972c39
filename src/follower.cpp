// Invariant: of many notices of a space the last counts; a thread of the storage never waits here for more than a lock.
#include "src/follower.h"

#include <exception>
#include <utility>

namespace fractal {

std::unique_ptr<Follower> Follower::start(Storage& storage, std::function<bool(std::uint64_t, std::uint64_t)> is_behind,
                                          Follow follow, Index index) {
  std::unique_ptr<Follower> follower(new Follower(std::move(is_behind), std::move(follow), std::move(index)));
  Follower* const self = follower.get();
  self->listening_ =
      storage.listen([self](std::uint64_t space, std::uint64_t sequence) { self->notice(space, sequence); });
  if (!self->listening_) return nullptr;
  self->thread_ = std::thread([self] { self->run(); });
  return follower;
}

Follower::~Follower() {
  listening_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Follower::add(const SpaceRecord& space) {
  const std::lock_guard lock(mutex_);
  spaces_.try_emplace(space.number, space.space);
}

void Follower::notice(std::uint64_t space, std::uint64_t sequence) {
  {
    const std::lock_guard lock(mutex_);
    unknown_ = unknown_ || sequence == 0;
    if (space != 0) {
      if (spaces_.contains(space)) behind_[space] = sequence;
    } else {
      for (const auto& [number, name] : spaces_) behind_[number] = 0;
    }
  }
  wake_.notify_one();
}

void Follower::run() {
  const Control control{.cancel = &stopping_};
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || unknown_ || !behind_.empty(); });
    if (stopping_) return;
    if (std::exchange(unknown_, false)) {
      lock.unlock();
      index_(control);
      lock.lock();
      continue;
    }
    const auto [number, sequence] = *behind_.begin();
    behind_.erase(behind_.begin());
    const Space space = spaces_.at(number);
    lock.unlock();
    try {
      if (is_behind_(number, sequence)) follow_(space, control);
    } catch (const std::exception&) {  // no memory: the next search says so
    }
    lock.lock();
  }
}

}  // namespace fractal
