// Invariant: each noted read is written once, or still waiting here. Bounded: past the limit of records the
// oldest are dropped.
#include "src/read_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fractal {
namespace {
constexpr std::size_t most_records = 100'000;
}

void ReadLog::note(const Space& space, const Memory& memory, Time at) {
  if (!enabled()) return;
  const std::lock_guard lock(mutex_);
  Notes& notes = notes_[space];
  if (count_accesses_ && notes.accesses.size() < most_records) ++notes.accesses[memory.coordinate.key()];
  if (!audit_reads_) return;
  notes.records.push_back(
      {.at = at, .action = "read", .subject = memory.coordinate.to_string(), .version = memory.version});
  if (notes.records.size() > 2 * most_records) {
    notes.records.erase(notes.records.begin(), notes.records.begin() + most_records);
  }
}

ReadLog::Notes ReadLog::take(const Space& space) {
  if (!enabled()) return {};
  const std::lock_guard lock(mutex_);
  const auto found = notes_.find(space);
  if (found == notes_.end()) return {};
  Notes notes = std::move(found->second);
  notes_.erase(found);
  return notes;
}

void ReadLog::give_back(const Space& space, Notes notes) {
  if (notes.empty()) return;
  const std::lock_guard lock(mutex_);
  Notes& current = notes_[space];
  for (const auto& [key, count] : notes.accesses) current.accesses[key] += count;
  current.records.insert(current.records.begin(), std::make_move_iterator(notes.records.begin()),
                         std::make_move_iterator(notes.records.end()));
}

}  // namespace fractal
