// Invariant: rows that a reader was given never change, but for the sequence at which they died, and that
// lies beyond every moment the reader may ask about. A change is staged behind the published rows;
// publishing it cannot fail half-way, so a call that fails leaves the space as it was.
//
// Locks, taken in this order: spaces_mutex_ (to find a space, held no longer) · write_mutex_ of the space
// (one writer) · view_mutex_ of the space (publishing; a reader holds it to take the view or look ids up).
#include "error.h"
#include "flat_view.h"
#include "id_table.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

namespace fractal {
namespace {

// Rows behind those of a view, not visible yet.
class Tail {
 public:
  Tail(std::shared_ptr<const Chunks> chunks, std::size_t used, std::size_t rows, std::size_t dimension)
      : chunks_(std::move(chunks)), used_(used), rows_(rows), dimension_(dimension) {}

  // The place of one more row.
  Slot next() {
    if (chunks_->empty() || used_ == chunks_->back()->capacity) {
      if (!grown_) chunks_ = grown_ = std::make_shared<Chunks>(*chunks_);
      grown_->push_back(std::make_shared<VectorChunk>(VectorChunk::good_capacity(rows_, dimension_), dimension_));
      used_ = 0;
      bytes_added_ += sizeof(VectorChunk) + sizeof(chunks_->back()) + chunks_->back()->bytes();
    }
    ++rows_;
    return slot_of(chunks_->size() - 1, used_++);
  }
  VectorChunk& chunk(Slot slot) const { return *(*chunks_)[chunk_of(slot)]; }
  const std::shared_ptr<const Chunks>& chunks() const { return chunks_; }
  std::size_t used() const { return used_; }  // rows of the last chunk
  std::size_t rows() const { return rows_; }
  std::size_t dimension() const { return dimension_; }
  std::size_t bytes_added() const { return bytes_added_; }

 private:
  std::shared_ptr<const Chunks> chunks_;
  std::shared_ptr<Chunks> grown_;  // the same, once it is ours
  std::size_t used_;
  std::size_t rows_;
  std::size_t dimension_;
  std::size_t bytes_added_ = 0;
};

// What a call will publish.
struct Staged {
  struct Entry {
    std::uint64_t first = 0;  // the first change of the id: when its published row dies
    std::uint64_t last = 0;
    Slot slot = 0;
    bool alive = false;  // it has a vector now, at `slot`
  };
  Tail tail;
  IdTable<Entry> entries{};
  std::uint64_t changed = 0;
};

class FlatSpace {
 public:
  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
    const std::lock_guard writing(write_mutex_);
    if (view_.applied() != from || to.sequence <= from) return {};
    if (!fits(to)) {
      reset();
      return {};
    }
    Staged staged = stage(to);
    for (const VectorChange& change : changes) FRACTAL_TRY(add(staged, change, to.metric));
    publish(staged, to, false);
    compact();
    return {};
  }

  Result<void> catch_up(const SpaceRecord& to, const VectorIndex::Pull& pull) {
    const std::lock_guard writing(write_mutex_);
    if (view_.applied() >= to.sequence) return {};
    if (!fits(to)) reset();
    Staged staged = stage(to);
    Result<void> added;
    FRACTAL_TRY(pull(view_.applied(), [&](const VectorChange& change) {
      added = add(staged, change, to.metric);
      return added.has_value();
    }));
    FRACTAL_TRY(std::move(added));
    publish(staged, to, staged.entries.size() != 0);
    compact();
    return {};
  }

  Result<VectorHits> search(const VectorQuery& query) const {
    const auto [view, slots] = take(query);
    if (!view.knows(query.as_of)) {
      return make_error(Errc::unavailable, "vector index: its state is of sequence {}, the query asks for {}",
                        view.applied(), query.as_of);
    }
    return slots ? score_slots(view, query, *slots) : scan_view(view, query);
  }

  VectorIndex::Stats stats() const {
    const std::shared_lock reading(view_mutex_);
    return {slots_.size(), view_.rows - slots_.size(), sizeof(*this) + slots_.bytes() + bytes_, view_.applied()};
  }

 private:
  // The rows there are can stand beside those to come.
  bool fits(const SpaceRecord& to) const {
    return view_.rows == 0 || (view_.dimension == to.dimension && view_.metric == to.metric);
  }

  // The published state; and the rows of the allowed ids, if they are so few that looking them up costs less
  // than going through all rows, and the newest rows, which alone can be looked up, are those wanted.
  std::pair<FlatView, std::optional<std::vector<Slot>>> take(const VectorQuery& query) const {
    const std::shared_lock reading(view_mutex_);
    std::optional<std::vector<Slot>> slots;
    if (query.allowed != nullptr && query.allowed->size() < view_.rows / 64 && query.as_of >= view_.changed) {
      slots.emplace();
      slots->reserve(query.allowed->size());
      for (const MemoryId id : *query.allowed) {
        if (const Slot* slot = slots_.find(id)) slots->push_back(*slot);
      }
    }
    return {view_, std::move(slots)};
  }

  Staged stage(const SpaceRecord& to) const { return {Tail(view_.chunks, used_, view_.rows, to.dimension)}; }

  Result<void> add(Staged& staged, const VectorChange& change, Metric metric) const {
    if (change.sequence <= view_.applied()) return {};
    Staged::Entry* const entry = staged.entries.find(change.id);
    const Slot* const published = slots_.find(change.id);
    if (entry != nullptr && change.sequence <= entry->last) return {};
    if (published != nullptr) {
      const VectorChunk& chunk = view_.chunk(*published);
      if (change.sequence <= chunk.born[row_of(*published)]) return {};
    }
    if (change.vector.empty() && entry == nullptr && published == nullptr) return {};
    Staged::Entry next = entry != nullptr ? *entry : Staged::Entry{change.sequence};
    if (next.alive) staged.tail.chunk(next.slot).kill(row_of(next.slot), change.sequence);
    next.last = change.sequence;
    next.alive = !change.vector.empty();
    if (next.alive) FRACTAL_TRY(write(staged.tail, change, metric, next.slot));
    staged.entries[change.id] = next;
    staged.changed = std::max(staged.changed, change.sequence);
    return {};
  }

  static Result<void> write(Tail& tail, const VectorChange& change, Metric metric, Slot& slot) {
    if (change.vector.size() != tail.dimension()) {
      return make_error(Errc::corruption, "vector index: memory {} has {} components, its space {}", change.id,
                        change.vector.size(), tail.dimension());
    }
    const double square = kernels::dot(change.vector.data(), change.vector.data(), change.vector.size());
    if (!std::isfinite(square) || (metric == Metric::cosine && square == 0)) {
      return make_error(Errc::corruption,
                        "vector index: the vector of memory {} is not finite, or zero where cosines count", change.id);
    }
    slot = tail.next();
    tail.chunk(slot).write(row_of(slot), change.id, change.sequence, change.vector, square, metric);
    return {};
  }

  // `gap`: moments between the last state and this one are not known.
  void publish(Staged& staged, const SpaceRecord& to, bool gap) {
    std::shared_ptr<const Chunks> old;  // let go of outside the lock
    const std::unique_lock publishing(view_mutex_);
    slots_.reserve(slots_.size() + staged.entries.size());  // the last thing that may fail
    staged.entries.each([this](MemoryId id, const Staged::Entry& entry) {
      if (const Slot* slot = slots_.find(id)) { (*view_.chunks)[chunk_of(*slot)]->kill(row_of(*slot), entry.first); }
      if (entry.alive) {
        slots_[id] = entry.slot;
      } else {
        slots_.erase(id);
      }
    });
    old = std::exchange(view_.chunks, staged.tail.chunks());
    view_.rows = staged.tail.rows();
    view_.dimension = staged.tail.dimension();
    view_.metric = to.metric;
    view_.changed = std::max(view_.changed, staged.changed);
    used_ = staged.tail.used();
    bytes_ += staged.tail.bytes_added();
    if (!gap) {
      view_.moments.back().last = to.sequence;
      return;
    }
    if (view_.moments.size() == view_.moments.capacity()) view_.moments.erase(view_.moments.begin());
    view_.moments.push_back({to.sequence, to.sequence});
  }

  // Copies the living rows when more than a quarter are dead; readers of the old chunks finish on them.
  void compact() {
    const std::size_t dead = view_.rows - slots_.size();
    if (dead <= 1024 || dead <= view_.rows / 4) return;
    Tail tail(std::make_shared<Chunks>(), 0, 0, view_.dimension);
    IdTable<Slot> slots;
    slots.reserve(slots_.size());
    std::size_t left = view_.rows;
    for (const auto& chunk : *view_.chunks) {
      const std::size_t rows = std::min(left, chunk->capacity);
      left -= rows;
      for (std::size_t row = 0; row < rows; ++row) {
        if (!chunk->is_alive(row, view_.applied())) continue;
        const Slot slot = tail.next();
        tail.chunk(slot).copy(row_of(slot), *chunk, row);
        slots[chunk->ids[row]] = slot;
      }
    }
    const std::uint64_t applied = view_.applied();
    std::shared_ptr<const Chunks> old;
    const std::unique_lock publishing(view_mutex_);
    old = std::exchange(view_.chunks, tail.chunks());
    std::swap(slots_, slots);
    view_.rows = tail.rows();
    view_.moments.clear();
    view_.moments.push_back({applied, applied});
    used_ = tail.used();
    bytes_ = tail.bytes_added();
  }

  void reset() {
    FlatView empty;
    IdTable<Slot> slots;
    const std::unique_lock publishing(view_mutex_);
    std::swap(view_, empty);
    std::swap(slots_, slots);
    used_ = bytes_ = 0;
  }

  std::mutex write_mutex_;
  mutable std::shared_mutex view_mutex_;
  // Changed with both locks held, so either is enough to read them.
  FlatView view_;
  IdTable<Slot> slots_;    // of the living rows
  std::size_t used_ = 0;   // rows in the last chunk
  std::size_t bytes_ = 0;  // of the chunks
};

template <class Call> auto reporting_no_memory(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) { return make_error(Errc::unavailable, "vector index: out of memory"); }
}

class FlatIndex final : public VectorIndex {
 public:
  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    return reporting_no_memory([&]() -> Result<void> {
      // A space takes no room before its first vector or its first search.
      const auto space = from == 0 && !changes.empty() ? find_or_add(to.number) : find(to.number);
      return space ? space->apply(to, from, changes) : Result<void>();
    });
  }

  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override {
    return reporting_no_memory([&]() -> Result<void> {
      return to.sequence == 0 ? Result<void>() : find_or_add(to.number)->catch_up(to, pull);
    });
  }

  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    return reporting_no_memory([&]() -> Result<VectorHits> {
      const auto found = find(space.number);
      return found ? found->search(query) : FlatSpace().search(query);
    });
  }

  void drop(std::uint64_t space) override {
    std::shared_ptr<FlatSpace> last;  // freed outside the lock
    const std::unique_lock lock(spaces_mutex_);
    if (const auto found = spaces_.find(space); found != spaces_.end()) {
      last = std::move(found->second);
      spaces_.erase(found);
    }
  }

  Stats stats(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->stats() : Stats{};
  }

 private:
  std::shared_ptr<FlatSpace> find(std::uint64_t space) const {
    const std::shared_lock lock(spaces_mutex_);
    const auto found = spaces_.find(space);
    return found != spaces_.end() ? found->second : nullptr;
  }
  std::shared_ptr<FlatSpace> find_or_add(std::uint64_t space) {
    if (auto found = find(space)) return found;
    const std::unique_lock lock(spaces_mutex_);
    auto& entry = spaces_[space];
    if (!entry) entry = std::make_shared<FlatSpace>();
    return entry;
  }

  mutable std::shared_mutex spaces_mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<FlatSpace>> spaces_;
};

}  // namespace

std::shared_ptr<VectorIndex> make_flat_index() { return std::make_shared<FlatIndex>(); }

}  // namespace fractal
