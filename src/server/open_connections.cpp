// Invariant: once stop() has begun, no connection becomes idle without being told to end.
#include "src/server/open_connections.h"

#include <utility>

namespace fractal::server {

OpenConnections::Entry::Entry(OpenConnections& all, std::function<void()> close) : all_(all) {
  const std::lock_guard lock(all_.mutex_);
  place_ = all_.list_.insert(all_.list_.end(), {std::move(close)});
  if (all_.stopping_) place_->close();
}

OpenConnections::Entry::~Entry() {
  const std::lock_guard lock(all_.mutex_);
  all_.list_.erase(place_);
  all_.gone_.notify_all();
}

bool OpenConnections::Entry::idle(bool is_idle) {
  const std::lock_guard lock(all_.mutex_);
  place_->idle = is_idle;
  return !all_.stopping_;
}

std::size_t OpenConnections::count() const {
  const std::lock_guard lock(mutex_);
  return list_.size();
}

bool OpenConnections::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void OpenConnections::stop(std::chrono::milliseconds patience, const std::function<void()>& give_up) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& one : list_) {
    if (one.idle) one.close();
  }
  if (gone_.wait_for(lock, patience, [&] { return list_.empty(); })) return;
  give_up();
  for (const auto& one : list_) one.close();
  gone_.wait(lock, [&] { return list_.empty(); });
}

}  // namespace fractal::server
