// Invariant: what a step that failed did to a record is undone; what is saved is what the steps that
// succeeded left.
#include "src/space_cache.h"

#include "src/error.h"

#include <algorithm>

namespace fractal {
namespace {
// Ids are signed numbers in rows.
constexpr std::uint64_t most_spaces = std::uint64_t{1} << (63 - space_shift);
}  // namespace

// The lock that came with reading a record goes when the step is undone: others may change the row then.
void SpaceCache::undo_step() {
  std::erase_if(entries_, [&](const auto& entry) { return entry->added == step_; });
  live_.clear();
  last_ = nullptr;
  for (const auto& entry : entries_) {
    if (entry->touched == step_) {
      entry->now = entry->before;
      entry->erased = entry->erased_before;
      entry->touched = 0;
    }
    if (!entry->erased) live_[entry->now.record.space] = entry.get();
  }
}

SpaceRow* SpaceCache::touch(Entry& entry) {
  if (entry.touched != step_) {
    entry.touched = step_;
    entry.before = entry.now;
    entry.erased_before = entry.erased;
  }
  last_ = &entry;
  return &entry.now;
}

SpaceRow* SpaceCache::add(SpaceRow row) {
  auto entry = std::make_unique<Entry>();
  entry->saved = row;
  entry->now = std::move(row);
  entry->added = step_;
  entries_.push_back(std::move(entry));
  Entry& added = *entries_.back();
  live_[added.now.record.space] = &added;
  return touch(added);
}

Result<SpaceRow*> SpaceCache::find(const Space& space) {
  if (last_ != nullptr && !last_->erased && last_->now.record.space == space) return touch(*last_);
  if (const auto found = live_.find(space); found != live_.end()) return touch(*found->second);
  FRACTAL_TRY_INTO(auto row, rows_.find(space));
  if (row) return add(std::move(*row));
  FRACTAL_TRY_INTO(auto made, rows_.create(space));
  if (made.record.number >= most_spaces) {
    return make_error(Errc::unsupported, "no more than {} spaces can be made in one database", most_spaces - 1);
  }
  return add(std::move(made));
}

Result<SpaceRow*> SpaceCache::find(std::uint64_t number) {
  if (last_ != nullptr && !last_->erased && last_->now.record.number == number) return touch(*last_);
  for (const auto& entry : entries_) {
    if (entry->now.record.number == number) return entry->erased ? nullptr : touch(*entry);
  }
  FRACTAL_TRY_INTO(auto row, rows_.find(number));
  return row ? add(std::move(*row)) : nullptr;
}

void SpaceCache::erased(std::uint64_t number) {
  last_ = nullptr;
  for (const auto& entry : entries_) {
    if (entry->now.record.number != number || entry->erased) continue;
    touch(*entry);
    entry->erased = true;
    live_.erase(entry->now.record.space);
    last_ = nullptr;
  }
}

Result<void> SpaceCache::save() {
  for (const auto& entry : entries_) {
    if (entry->erased || entry->now == entry->saved) continue;
    FRACTAL_TRY(rows_.save(entry->now));
    entry->saved = entry->now;
  }
  return {};
}

}  // namespace fractal
