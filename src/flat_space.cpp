// Invariant: rows that a reader was given never change, but for the sequence at which they died, and that
// lies beyond every moment the reader may ask about. A change is staged behind the published rows;
// publishing it cannot fail half-way, so a call that fails leaves the space as it was.
//
// Locks, taken in this order: write_mutex_ (one writer) · view_mutex_ (publishing; a reader holds it to take the
// view or look ids up).
#include "flat_space.h"

#include "error.h"
#include "id_table.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fractal {
namespace {

struct IdRange {
  MemoryId low = ~MemoryId{0}, high = 0;
  void add(MemoryId id) {
    low = std::min(low, id);
    high = std::max(high, id);
  }
};

}  // namespace

// Rows behind those of a view, not visible yet.
class FlatSpace::Tail {
 public:
  Tail(std::shared_ptr<const Chunks> chunks, std::size_t used, std::size_t rows, std::size_t dimension)
      : chunks_(std::move(chunks)), used_(used), rows_(rows), dimension_(dimension) {}

  // Of memory that next() is going to take.
  std::size_t bytes_of_next() const {
    if (!is_full()) return 0;
    const std::size_t rows = VectorChunk::good_capacity(rows_, dimension_);
    return ChunkLayout(rows, dimension_).bytes + rows * (sizeof(std::uint64_t) + sizeof(Slot));  // and deaths, slots
  }
  // The place of one more row.
  Slot next() {
    if (is_full()) {
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
  bool is_full() const { return chunks_->empty() || used_ == chunks_->back()->capacity; }

  std::shared_ptr<const Chunks> chunks_;
  std::shared_ptr<Chunks> grown_;  // the same, once it is ours
  std::size_t used_;
  std::size_t rows_;
  std::size_t dimension_;
  std::size_t bytes_added_ = 0;
};

// Before many rows are read in vain.
Result<void> FlatSpace::expect_room(const SpaceRecord& to) const {
  const std::size_t more = to.vectors > slots_.size() ? to.vectors - slots_.size() : 0;
  const bool again = refused_ != 0 && to.vectors >= refused_;  // in vain, too
  return check_room(again ? most_bytes_ + 1 : bytes_of_all() + more * VectorChunk::row_bytes(to.dimension));
}

Result<void> FlatSpace::check_room(std::size_t bytes) const {
  if (most_bytes_ == 0 || bytes <= most_bytes_) return {};
  return make_error(
      Errc::unavailable,
      "vector index: the vectors of a space take more than the {} bytes that Options::memory_budget leaves",
      most_bytes_);
}

Result<void> FlatSpace::write(Tail& tail, const VectorChange& change, Metric metric, Slot& slot) const {
  if (change.vector.size() != tail.dimension()) {
    return make_error(Errc::corruption, "vector index: memory {} has {} components, its space {}", change.id,
                      change.vector.size(), tail.dimension());
  }
  const double square = kernels::dot(change.vector.data(), change.vector.data(), change.vector.size());
  if (!std::isfinite(square) || (metric == Metric::cosine && square == 0)) {
    return make_error(Errc::corruption,
                      "vector index: the vector of memory {} is not finite, or zero where cosines count", change.id);
  }
  if (const std::size_t more = tail.bytes_of_next(); more != 0) {
    FRACTAL_TRY(check_room(bytes_of_all() + tail.bytes_added() + more));
  }
  slot = tail.next();
  tail.chunk(slot).write(row_of(slot), change.id, change.sequence, change.vector, square, metric);
  return {};
}

// What a call will publish.
struct FlatSpace::Staged {
  struct Entry {
    std::uint64_t first = 0;  // the first change of the id: when its published row dies
    std::uint64_t last = 0;
    Slot slot = 0;
    bool alive = false;  // it has a vector now, at `slot`
  };
  Tail tail;
  IdTable<Entry> entries{};
  std::uint64_t changed = 0;
  IdRange ids{};  // of the entries
};

Result<void> FlatSpace::apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
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

Result<void> FlatSpace::catch_up(const SpaceRecord& to, const VectorIndex::Pull& pull) {
  const std::lock_guard writing(write_mutex_);
  if (view_.applied() >= to.sequence) return {};
  if (!fits(to)) reset();
  if (most_bytes_ != 0) FRACTAL_TRY(expect_room(to));
  Staged staged = stage(to);
  Result<void> added;
  FRACTAL_TRY(pull(view_.applied(), [&](const VectorChange& change) {
    added = add(staged, change, to.metric);
    return added.has_value();
  }));
  if (!added) {
    if (added.error().code == Errc::unavailable) refused_ = to.vectors;
    return added;
  }
  publish(staged, to, staged.entries.size() != 0);
  compact();
  return {};
}

VectorIndex::Stats FlatSpace::stats() const {
  const std::shared_lock reading(view_mutex_);
  return {slots_.size(), view_.rows - slots_.size(), bytes_of_all(), view_.applied()};
}

std::size_t FlatSpace::bytes() const {
  const std::shared_lock reading(view_mutex_);
  return bytes_of_all();
}

FlatView FlatSpace::view() const {
  const std::shared_lock reading(view_mutex_);
  return view_;
}

std::uint64_t FlatSpace::applied() const {
  const std::shared_lock reading(view_mutex_);
  return view_.applied();
}

bool FlatSpace::has_frozen() const {
  const std::shared_lock reading(view_mutex_);
  return view_.frozen != nullptr;
}

Taken FlatSpace::take(const VectorQuery& query, double most) const {
  Taken taken;
  const std::shared_lock reading(view_mutex_);
  taken.view = view_;
  if (query.as_of < view_.changed) return taken;
  for (const MemoryId id : query.excluded) taken.excluded += slots_.find(id) != nullptr ? 1 : 0;
  const auto limit = most * static_cast<double>(view_.rows);
  if (query.allowed == nullptr || static_cast<double>(query.allowed->size()) > limit) return taken;
  const bool some_excluded = taken.excluded != 0;
  if (!some_excluded) taken.allowed = allowed_.find(query.allowed, layout_);
  if (taken.allowed) return taken;
  taken.allowed = std::make_shared<const AllowedRows>(allowed_rows(query, some_excluded));
  if (!some_excluded) allowed_.keep(query.allowed, layout_, taken.allowed);
  return taken;
}

AllowedRows FlatSpace::allowed_rows(const VectorQuery& query, bool some_excluded) const {
  AllowedRows rows;
  rows.slots.resize(query.allowed->size());
  std::size_t found = 0;
  bool rising = true;
  Slot last = 0;
  for (const MemoryId id : *query.allowed) {
    const Slot* const slot = slots_.find(id);
    if (slot == nullptr) continue;
    if (some_excluded && std::binary_search(query.excluded.begin(), query.excluded.end(), id)) continue;
    rising = rising && *slot >= last;
    rows.slots[found++] = last = *slot;
  }
  rows.slots.resize(found);
  if (!rising) std::sort(rows.slots.begin(), rows.slots.end());
  if (!view_.frozen || query.allowed.use_count() == 0 || rows.slots.size() < view_.frozen_rows() / 256) return rows;
  rows.bits.resize((view_.frozen_rows() + 63) / 64);
  const std::size_t capacity = view_.chunks->front()->capacity;  // of all chunks with frozen rows
  for (const Slot slot : rows.slots) {
    const std::size_t row = chunk_of(slot) * capacity + row_of(slot);
    if (row >= view_.frozen_rows()) break;
    rows.bits[row / 64] |= std::uint64_t{1} << row % 64;
  }
  return rows;
}

// The rows there are can stand beside those to come.
bool FlatSpace::fits(const SpaceRecord& to) const {
  return view_.rows == 0 || (view_.dimension == to.dimension && view_.metric == to.metric);
}

FlatSpace::Staged FlatSpace::stage(const SpaceRecord& to) const {
  return {Tail(view_.chunks, used_, view_.rows, to.dimension)};
}

Result<void> FlatSpace::add(Staged& staged, const VectorChange& change, Metric metric) const {
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
  staged.ids.add(change.id);
  staged.changed = std::max(staged.changed, change.sequence);
  return {};
}

// `gap`: moments between the last state and this one are not known.
void FlatSpace::publish(Staged& staged, const SpaceRecord& to, bool gap) {
  std::shared_ptr<const Chunks> old;  // let go of outside the lock
  const std::unique_lock publishing(view_mutex_);
  refused_ = 0;
  // The last thing that may fail.
  if (staged.entries.size() != 0) slots_.reserve(staged.ids.low, staged.ids.high, staged.entries.size());
  staged.entries.each([this](MemoryId id, const Staged::Entry& entry) {
    if (const Slot* slot = slots_.find(id)) (*view_.chunks)[chunk_of(*slot)]->kill(row_of(*slot), entry.first);
    if (entry.alive) {
      slots_.set(id, entry.slot);
    } else {
      slots_.erase(id);
    }
  });
  old = std::exchange(view_.chunks, staged.tail.chunks());
  view_.rows = staged.tail.rows();
  if (staged.entries.size() != 0) ++layout_;
  view_.living = slots_.size();
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
// Rows beside which something stands are not moved: whoever froze them sees to the dead.
void FlatSpace::compact() {
  const std::size_t dead = view_.rows - slots_.size();
  if (view_.frozen || dead <= 1024 || dead <= view_.rows / 4) return;
  Tail tail(std::make_shared<Chunks>(), 0, 0, view_.dimension);
  IdRange ids;
  each_row(view_, [&](const VectorChunk& chunk, std::size_t row) {
    if (chunk.is_alive(row, view_.applied())) ids.add(chunk.ids[row]);
  });
  SlotTable slots;
  slots.reserve(ids.low, ids.high, slots_.size());
  each_row(view_, [&](const VectorChunk& chunk, std::size_t row) {
    if (!chunk.is_alive(row, view_.applied())) return;
    const Slot slot = tail.next();
    tail.chunk(slot).copy(row_of(slot), chunk, row);
    slots.set(chunk.ids[row], slot);
  });
  FlatView next = view_;
  next.moments.clear();
  next.moments.push_back({view_.applied(), view_.applied()});
  replace(std::move(next), tail, slots);
}

// A view made of adopted rows, and behind them what the old view knows beyond them.
class FlatSpace::Adopting {
 public:
  Adopting(const FlatView& old, const Adoption& adoption)
      : old_(old),
        adoption_(adoption),
        behind_(old.applied() < adoption.sequence),
        tail_(std::make_shared<Chunks>(adoption.blocks), adoption.blocks.empty() ? 0 : adoption.blocks.back()->capacity,
              adoption.frozen->rows, adoption.dimension),
        expected_(adoption.frozen->rows, true) {}

  Result<void> run() {
    list_rows();
    if (behind_) return {};
    Result<void> ok;
    each_row(old_, [&](const VectorChunk& chunk, std::size_t row) {
      if (ok) ok = take_over(chunk, row);
    });
    FRACTAL_TRY(std::move(ok));
    // What the old view never saw alive died before its first moment.
    for (std::size_t row = 0; row < expected_.size(); ++row) {
      if (expected_[row]) kill(slot_of_row(row), adoption_.sequence + 1);
    }
    return {};
  }

  FlatView view() const {
    FlatView view;
    view.frozen = adoption_.frozen;
    view.dimension = adoption_.dimension;
    view.metric = adoption_.metric;
    view.changed = behind_ ? adoption_.sequence : std::max(old_.changed, adoption_.sequence);
    view.moments.clear();
    if (behind_) {
      view.moments.push_back({adoption_.sequence, adoption_.sequence});
      return view;
    }
    for (const FlatView::Moments& m : old_.moments) {
      if (m.last >= adoption_.sequence) view.moments.push_back({std::max(m.first, adoption_.sequence), m.last});
    }
    return view;
  }
  const Tail& tail() const { return tail_; }
  SlotTable& slots() { return slots_; }

 private:
  Slot slot_of_row(std::size_t row) const {
    const std::size_t capacity = adoption_.blocks.front()->capacity;
    return slot_of(row / capacity, row % capacity);
  }

  void kill(Slot slot, std::uint64_t sequence) {
    tail_.chunk(slot).kill(row_of(slot), sequence);
    const Slot* const current = slots_.find(id_of(slot));
    if (current != nullptr && *current == slot) slots_.erase(id_of(slot));
  }

  void list_rows() {
    for (const std::uint32_t row : adoption_.dead) {
      const Slot slot = slot_of_row(row);
      tail_.chunk(slot).kill(row_of(slot), adoption_.sequence);
      expected_[row] = false;
    }
    IdRange ids;
    for (std::size_t row = 0; row < expected_.size(); ++row) ids.add(id_of(slot_of_row(row)));
    if (!behind_) each_row(old_, [&](const VectorChunk& chunk, std::size_t row) { ids.add(chunk.ids[row]); });
    slots_.reserve(ids.low, ids.high, expected_.size() + (behind_ ? 0 : old_.rows));
    for (std::size_t row = 0; row < expected_.size(); ++row) {
      if (expected_[row]) slots_.set(id_of(slot_of_row(row)), slot_of_row(row));
    }
  }
  MemoryId id_of(Slot slot) const { return tail_.chunk(slot).ids[row_of(slot)]; }

  // Rows of one id come in the order in which they were born.
  Result<void> take_over(const VectorChunk& chunk, std::size_t row) {
    const std::uint64_t died = chunk.died[row].load(std::memory_order_relaxed);
    const MemoryId id = chunk.ids[row];
    if (died <= adoption_.sequence) return {};
    if (chunk.born[row] > adoption_.sequence) {
      const Slot slot = tail_.next();
      tail_.chunk(slot).copy(row_of(slot), chunk, row);
      if (died != VectorChunk::alive) {
        tail_.chunk(slot).kill(row_of(slot), died);
      } else {
        slots_.set(id, slot);
      }
      return {};
    }
    const Slot* found = slots_.find(id);
    if (found == nullptr || tail_.chunk(*found).born[row_of(*found)] != chunk.born[row]) {
      // Changed twice between two pulls: the old view saw but the second change, the adopted rows have the first.
      if (died != VectorChunk::alive && !old_.knows(adoption_.sequence)) return {};
      return make_error(Errc::unavailable, "vector index: the vector of memory {} is not among the rows to adopt", id);
    }
    const Slot slot = *found;
    expected_[chunk_of(slot) * adoption_.blocks.front()->capacity + row_of(slot)] = false;
    if (died != VectorChunk::alive) kill(slot, died);
    return {};
  }

  const FlatView& old_;
  const Adoption& adoption_;
  const bool behind_;  // the old view knows nothing beyond the adopted rows
  Tail tail_;
  SlotTable slots_;
  std::vector<bool> expected_;  // rows that were alive, not met in the old view yet
};

Result<void> FlatSpace::adopt(const Adoption& adoption) {
  const std::lock_guard writing(write_mutex_);
  if (view_.rows != 0 && (view_.dimension != adoption.dimension || view_.metric != adoption.metric)) {
    return make_error(Errc::unavailable, "vector index: the rows to adopt have another dimension or metric");
  }
  Adopting adopting(view_, adoption);
  FRACTAL_TRY(adopting.run());
  replace(adopting.view(), adopting.tail(), adopting.slots());
  return {};
}

// Publishes a view over other rows.
void FlatSpace::replace(FlatView next, const Tail& tail, SlotTable& slots) {
  next.chunks = tail.chunks();
  next.rows = tail.rows();
  next.living = slots.size();
  std::size_t bytes = 0;
  for (const auto& chunk : *next.chunks) bytes += sizeof(VectorChunk) + sizeof(chunk) + chunk->bytes();
  const std::unique_lock publishing(view_mutex_);
  std::swap(view_, next);  // the old one goes outside the lock
  std::swap(slots_, slots);
  ++layout_;
  refused_ = 0;
  used_ = tail.used();
  bytes_ = bytes;
}

void FlatSpace::reset() {
  SlotTable slots;
  replace(FlatView{}, Tail(std::make_shared<Chunks>(), 0, 0, 0), slots);
}

std::size_t FlatView::rows_of(std::size_t chunk, std::size_t first) const {
  const std::size_t rest = first < frozen_rows() ? frozen_rows() - first : rows - first;
  return std::min((*chunks)[chunk]->capacity, rest);
}

bool FlatView::knows(std::uint64_t as_of) const {
  return std::any_of(moments.begin(), moments.end(),
                     [as_of](const Moments& m) { return m.first <= as_of && as_of <= m.last; });
}

}  // namespace fractal
