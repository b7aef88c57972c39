// Invariant: what a step that failed did to a record is undone; what is saved is what the steps that
// succeeded left.
#include "backends/sqlite/space_cache.h"

#include "src/error.h"

#include <algorithm>

namespace fractal::sqlite_backend {
namespace {
// Ids are signed numbers in the file.
constexpr std::uint64_t most_spaces = std::uint64_t{1} << (63 - space_shift);
}  // namespace

void SpaceCache::undo_step() {
  std::erase_if(entries_, [&](const auto& entry) { return entry->made == step_; });
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

SpaceRow* SpaceCache::add(SpaceRow row, bool made) {
  auto entry = std::make_unique<Entry>();
  entry->saved = row;
  entry->now = std::move(row);
  if (made) entry->made = step_;
  entries_.push_back(std::move(entry));
  Entry& added = *entries_.back();
  live_[added.now.record.space] = &added;
  return touch(added);
}

Result<SpaceRow*> SpaceCache::find(const Space& space) {
  if (last_ != nullptr && !last_->erased && last_->now.record.space == space) return touch(*last_);
  if (const auto found = live_.find(space); found != live_.end()) return touch(*found->second);
  SpaceRow row;
  {
    Query query(connection_, Sql::space_by_name, TextValue{space.tenant}, TextValue{space.name});
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (there) {
      read_space(query, row);
      return add(std::move(row), false);
    }
  }
  FRACTAL_TRY(create(space, row));
  return add(std::move(row), true);
}

Result<void> SpaceCache::create(const Space& space, SpaceRow& row) {
  FRACTAL_TRY(Query(connection_, Sql::create_space, TextValue{space.tenant}, TextValue{space.name}).run());
  const auto number = static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.handle()));
  if (number >= most_spaces) {
    return make_error(Errc::unsupported, "{}: no more than {} spaces can be made in one file", connection_.path(),
                      most_spaces - 1);
  }
  row.record.number = number;
  row.record.space = space;
  return {};
}

Result<SpaceRow*> SpaceCache::find(std::uint64_t number) {
  if (last_ != nullptr && !last_->erased && last_->now.record.number == number) return touch(*last_);
  for (const auto& entry : entries_) {
    if (entry->now.record.number == number) return entry->erased ? nullptr : touch(*entry);
  }
  Query query(connection_, Sql::space_by_number, number);
  FRACTAL_TRY_INTO(const bool there, query.step());
  if (!there) return nullptr;
  SpaceRow row;
  read_space(query, row);
  return add(std::move(row), false);
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
    const SpaceRow& now = entry->now;
    if (entry->erased || now == entry->saved) continue;
    const SpaceRecord& record = now.record;
    Query query(connection_, Sql::save_space, record.number, record.sequence, record.last_id, record.horizon,
                record.memories, record.semantic, record.links, record.vectors, record.dimension,
                static_cast<int>(record.metric), record.words[0], record.words[1], record.words[2], record.words[3],
                now.audit_records, now.audit_oldest, TextValue{record.embedder});
    FRACTAL_TRY(query.run());
    entry->saved = now;
  }
  return {};
}

}  // namespace fractal::sqlite_backend
