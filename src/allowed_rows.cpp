// Invariant: what is found was put in for the same set of ids and the same state of the rows.
#include "allowed_rows.h"

#include <algorithm>
#include <iterator>

namespace fractal {
namespace {
constexpr std::size_t good_bytes = 8u << 20, most_entries = 64;
}

AllowedCache::AllowedCache(std::uint64_t space_bytes)
    : most_bytes_(space_bytes != 0 ? std::min<std::uint64_t>(space_bytes / 16, good_bytes) : good_bytes) {}

std::shared_ptr<const AllowedRows> AllowedCache::find(const IdSet& ids, std::uint64_t layout) {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->ids != ids.get() || entry->layout != layout || entry->owner.expired()) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->rows;
  }
  return nullptr;
}

void AllowedCache::keep(const IdSet& ids, std::uint64_t layout, const std::shared_ptr<const AllowedRows>& rows) {
  const std::size_t bytes = rows->bytes();
  if (ids.use_count() == 0 || bytes > most_bytes_ / 2) return;  // of a set that nobody owns, the address says nothing
  const std::lock_guard lock(mutex_);
  drop_useless(layout);
  while (!entries_.empty() && (entries_.size() >= most_entries || bytes_ + bytes > most_bytes_)) {
    bytes_ -= entries_.back().rows->bytes();
    entries_.pop_back();
  }
  entries_.push_front({ids.get(), ids, layout, rows});
  bytes_ += bytes;
}

void AllowedCache::drop_useless(std::uint64_t layout) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->layout != layout || entry->owner.expired()) {
      bytes_ -= entry->rows->bytes();
      entries_.erase(entry);
    }
    entry = next;
  }
}

}  // namespace fractal
