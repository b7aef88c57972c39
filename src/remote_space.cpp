// Invariant: a moment is known only if every version that was the latest then has been delivered.
#include "src/remote_space.h"

#include <algorithm>

namespace fractal {
namespace {
constexpr std::size_t most_spans = 64, most_counts = 4'096;
}

void ChangeQueue::add(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
  if (empty()) from_ = from;
  for (const VectorChange& change : changes) changes_.add(change);
  to_ = to;
}

void KnownMoments::note(std::uint64_t to, std::uint64_t vectors, bool contiguous) {
  if (!spans_.empty() && to < spans_.back().second) return;
  if (contiguous && !spans_.empty()) {
    spans_.back().second = to;
  } else if (spans_.empty() || spans_.back().second < to) {
    spans_.emplace_back(to, to);
  }
  if (spans_.size() > most_spans) spans_.erase(spans_.begin());
  vectors_[to] = vectors;
  if (vectors_.size() > most_counts) vectors_.erase(vectors_.begin());
}

void KnownMoments::clear() {
  spans_.clear();
  vectors_.clear();
}

bool KnownMoments::knows(std::uint64_t as_of) const {
  return std::any_of(spans_.begin(), spans_.end(),
                     [&](const auto& span) { return span.first <= as_of && as_of <= span.second; });
}

std::optional<std::uint64_t> KnownMoments::vectors(std::uint64_t as_of) const {
  const auto found = vectors_.find(as_of);
  if (found == vectors_.end()) return std::nullopt;
  return found->second;
}

}  // namespace fractal
