// The best hits of a search by vector.
#ifndef FRACTAL_SRC_BEST_H
#define FRACTAL_SRC_BEST_H

#include <fractal/backend.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace fractal {

// The k best so far: by score, then id.
class Best {
 public:
  explicit Best(std::size_t k) : k_(k) {}
  bool full() const { return entries_.size() == k_; }
  double worst() const { return entries_.front().score; }

  void offer(MemoryId id, double score) {
    const VectorHits::Entry entry{id, score};
    if (full()) {
      if (k_ == 0 || !before(entry, entries_.front())) return;
      std::pop_heap(entries_.begin(), entries_.end(), before);
      entries_.back() = entry;
    } else {
      entries_.push_back(entry);
    }
    std::push_heap(entries_.begin(), entries_.end(), before);
  }
  std::vector<VectorHits::Entry> take() {
    std::sort_heap(entries_.begin(), entries_.end(), before);
    return std::move(entries_);
  }

  static bool before(const VectorHits::Entry& a, const VectorHits::Entry& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }

 private:
  std::size_t k_;
  std::vector<VectorHits::Entry> entries_;  // a heap, the worst in front
};

// Of two lists in this order, without an id in both.
inline std::vector<VectorHits::Entry> merge_best(const std::vector<VectorHits::Entry>& left,
                                                 const std::vector<VectorHits::Entry>& right, std::size_t k) {
  std::vector<VectorHits::Entry> both(left.size() + right.size());
  std::merge(left.begin(), left.end(), right.begin(), right.end(), both.begin(), Best::before);
  if (both.size() > k) both.resize(k);
  return both;
}

}  // namespace fractal

#endif
