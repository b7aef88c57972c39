// Invariant: bytes_ is the sum over the entries, at most limit_ unless the view used last takes more by itself.
#include "src/memory_use.h"

#include <iterator>

namespace fractal {

std::vector<MemoryUse::Held> MemoryUse::use(std::uint64_t space, View view, std::uint64_t bytes) {
  std::vector<Held> going;
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = places_.try_emplace(name(space, view));
  if (is_new) {
    entries_.push_front({{space, view}, 0});
    place->second = entries_.begin();
  }
  Entry& entry = *place->second;
  entries_.splice(entries_.begin(), entries_, place->second);
  bytes_ = bytes_ - entry.bytes + bytes;
  entry.bytes = bytes;
  while (limit_ != 0 && bytes_ > limit_ && entries_.size() > 1) {
    going.push_back(entries_.back().held);
    remove(std::prev(entries_.end()));
  }
  return going;
}

void MemoryUse::forget(std::uint64_t space, View view) {
  const std::lock_guard lock(mutex_);
  if (const auto place = places_.find(name(space, view)); place != places_.end()) remove(place->second);
}

void MemoryUse::remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  places_.erase(name(entry->held.space, entry->held.view));
  entries_.erase(entry);
}

std::uint64_t MemoryUse::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace fractal
