// Invariant: what is found was put in for the same space, the same sequence and the same question.
#include "src/filter_cache.h"

#include <fractal/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace fractal {
namespace {
constexpr std::size_t good_bytes = 16u << 20;
}

FilterCache::FilterCache(std::size_t most_bytes)
    : most_bytes_(most_bytes != 0 ? std::min(most_bytes, good_bytes) : good_bytes) {}

std::size_t FilterCache::bytes_of(const Entry& entry) {
  return entry.ids->size() * sizeof(MemoryId) + 2 * entry.name.size() + 256;
}

std::string FilterCache::name(std::uint64_t space, const std::string& question) {
  return fmt::format("{} {}", space, question);
}

IdSet FilterCache::find(std::uint64_t space, std::uint64_t sequence, const std::string& question) {
  const std::string wanted = name(space, question);
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(wanted);
  if (found == places_.end() || found->second->sequence != sequence) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->ids;
}

void FilterCache::keep(std::uint64_t space, std::uint64_t sequence, const std::string& question, IdSet ids) {
  Entry entry{name(space, question), sequence, std::move(ids)};
  const std::size_t bytes = bytes_of(entry);
  if (bytes > most_bytes_ / 4) return;
  const std::lock_guard lock(mutex_);
  const auto remove = [this](Entries::iterator place) {
    bytes_ -= bytes_of(*place);
    places_.erase(place->name);
    entries_.erase(place);
  };
  if (const auto old = places_.find(entry.name); old != places_.end()) remove(old->second);
  while (bytes_ + bytes > most_bytes_ && !entries_.empty()) remove(std::prev(entries_.end()));
  entries_.push_front(std::move(entry));
  places_.emplace(entries_.front().name, entries_.begin());
  bytes_ += bytes;
}

}  // namespace fractal
