// Changes to vectors that outlive the call that told of them: what an index elsewhere gathers until it sends it.
#ifndef FRACTAL_SRC_VECTOR_CHANGES_H
#define FRACTAL_SRC_VECTOR_CHANGES_H

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

namespace fractal {

class VectorChanges {
 public:
  void add(const VectorChange& change) {
    entries_.push_back({change.id, change.sequence, components_.size(), change.vector.size(), change.fields});
    key_bytes_ += change.fields.key.capacity();
    components_.insert(components_.end(), change.vector.begin(), change.vector.end());
  }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t components() const { return components_.size(); }
  // As they were added. Until the next add() or clear().
  std::vector<VectorChange> views() const {
    std::vector<VectorChange> changes;
    changes.reserve(entries_.size());
    for (const Entry& entry : entries_) {
      changes.push_back({.id = entry.id,
                         .sequence = entry.sequence,
                         .vector = std::span(components_).subspan(entry.begin, entry.size),
                         .fields = entry.fields});
    }
    return changes;
  }
  void clear() {
    entries_.clear();
    components_.clear();
    key_bytes_ = 0;
  }
  std::uint64_t bytes() const {
    return entries_.capacity() * sizeof(Entry) + components_.capacity() * sizeof(float) + key_bytes_;
  }
  // What these will take.
  static std::uint64_t bytes_of(std::span<const VectorChange> changes) {
    std::uint64_t bytes = 0;
    for (const VectorChange& change : changes)
      bytes += sizeof(Entry) + change.vector.size_bytes() + change.fields.key.capacity();
    return bytes;
  }

 private:
  struct Entry {
    MemoryId id;
    std::uint64_t sequence;
    std::size_t begin, size;
    VectorFields fields;
  };
  std::vector<Entry> entries_{};
  std::vector<float> components_{};
  std::uint64_t key_bytes_ = 0;
};

// Whether a space has just the vectors that these changes leave, whatever it had before. Rising by sequence.
inline bool are_all(const SpaceRecord& to, std::span<const VectorChange> changes) {
  if (changes.size() < to.vectors) return false;
  std::unordered_set<MemoryId> living;
  for (const VectorChange& change : changes) {
    if (change.vector.empty()) {
      living.erase(change.id);
    } else {
      living.insert(change.id);
    }
  }
  return living.size() == to.vectors;
}

}  // namespace fractal

#endif
