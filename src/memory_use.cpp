// Invariant: bytes_ is the sum over the entries, at most limit_ unless the view used last takes more by itself.
#include "src/memory_use.h"

#include <iterator>

namespace fractal {

std::vector<MemoryUse::Held> MemoryUse::use(std::uint64_t space, View view, std::uint64_t bytes) {
  std::vector<Held> going;
  const std::lock_guard lock(mutex_);
  if (const auto place = places_.find(name(space, view)); place != places_.end()) {
    entries_.splice(entries_.begin(), entries_, place->second);
  } else {
    Entries one{{{space, view}, 0}};
    places_.emplace(name(space, view), one.begin());
    entries_.splice(entries_.begin(), one);
  }
  Entry& entry = entries_.front();
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
