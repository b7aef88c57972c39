// What an index holds of each space, by the space's number. Any thread; what is found stays while it is used.
#ifndef FRACTAL_SRC_SPACE_MAP_H
#define FRACTAL_SRC_SPACE_MAP_H

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

namespace fractal {

template <class T> class SpaceMap {
 public:
  // Null if there is none.
  std::shared_ptr<T> find(std::uint64_t space) const {
    const std::shared_lock lock(mutex_);
    const auto found = spaces_.find(space);
    return found != spaces_.end() ? found->second : nullptr;
  }

  template <class Make> std::shared_ptr<T> find_or_add(std::uint64_t space, const Make& make) {
    if (auto found = find(space)) return found;
    const std::unique_lock lock(mutex_);
    auto& entry = spaces_[space];
    if (!entry) entry = make();
    return entry;
  }

  // What was there: it goes with the caller's hold, outside the lock.
  std::shared_ptr<T> drop(std::uint64_t space) {
    const std::unique_lock lock(mutex_);
    const auto found = spaces_.find(space);
    if (found == spaces_.end()) return nullptr;
    auto dropped = std::move(found->second);
    spaces_.erase(found);
    return dropped;
  }

  template <class Visit> void each(const Visit& visit) const {
    const std::shared_lock lock(mutex_);
    for (const auto& [number, space] : spaces_) visit(*space);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<T>> spaces_;
};

}  // namespace fractal

#endif
