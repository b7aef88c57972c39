// Invariant: a search returns what comparing every row in double would return. Pass one bounds each
// row's similarity from its codes; a row is left out only if its upper bound lies below the lower bounds
// of k others. What remains is compared by VectorScorer, and a row is skipped then only if its upper bound
// lies below the k-th best score found.
//
// The bounds. With q and v the vectors (unit vectors for the cosine, q a unit vector for the dot product),
// q' and v' what their codes say, Cauchy-Schwarz gives
//   |q.v - q'.v'| <= |q - q'| |v'| + |q| |v - v'|,  and the triangle inequality  ||q-v| - |q'-v'|| <= |q-q'| + |v-v'|.
// q'.v' is an exact integer times two scales. Rounding in float adds at most 2^-21 of |q'||v'|, or of
// (|q'| + |v'|)^2 under the root; twice that is added here. The double sums of VectorScorer are off by less
// than 2^-38 of the same and are covered too, as are two distances so near that their scores are equal.
#include "flat_view.h"

#include "best.h"
#include "error.h"
#include "kernels.h"
#include "validate.h"
#include "vector_query.h"
#include "vector_score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

namespace fractal {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

// Which rows a query may return.
class Gate {
 public:
  Gate() = default;
  Gate(const FlatView& view, const VectorQuery& query)
      : as_of_(query.as_of), allowed_(query.allowed.get()), excluded_(query.excluded) {
    for (const MemoryId id : excluded_) hints_[id % hint_bits / 64] |= std::uint64_t{1} << id % 64;
    if (allowed_ == nullptr || allowed_->empty()) return;
    first_ = allowed_->front();
    // Ids of a space lie close together, unless most of its memories are gone.
    const MemoryId range = allowed_->back() - first_ + 1;
    if (range > 64 * view.rows + 65'536) return;
    bits_.resize(range / 64 + 1);
    for (const MemoryId id : *allowed_) bits_[(id - first_) / 64] |= std::uint64_t{1} << (id - first_) % 64;
  }

  // The rows from begin on that may be returned, as places counted from begin; returns how many. If that is
  // `count`, they are all of them, and `places` need not be filled in.
  std::size_t pass(const VectorChunk& chunk, std::size_t begin, std::size_t count, std::uint32_t* places) const {
    std::size_t passed = 0;
    if (chunk.all_alive(as_of_)) {
      if (allowed_ == nullptr && excluded_.empty()) return count;
      std::iota(places, places + count, 0U);
      passed = count;
    } else {
      for (std::uint32_t i = 0; i < count; ++i) {
        places[passed] = i;
        passed += chunk.is_alive(begin + i, as_of_) ? 1 : 0;
      }
    }
    const MemoryId* ids = chunk.ids + begin;
    if (!excluded_.empty()) passed = keep(ids, passed, places, [this](MemoryId id) { return !is_excluded(id); });
    if (allowed_ == nullptr) return passed;
    if (bits_.empty()) {
      return keep(ids, passed, places,
                  [this](MemoryId id) { return std::binary_search(allowed_->begin(), allowed_->end(), id); });
    }
    return keep(ids, passed, places, [this](MemoryId id) {
      const MemoryId bit = std::min<MemoryId>(id - first_, bits_.size() * 64 - 1);  // the last bit is never set
      return (bits_[bit / 64] >> bit % 64 & 1) != 0;
    });
  }

  bool is_excluded(MemoryId id) const {
    return (hints_[id % hint_bits / 64] >> id % 64 & 1) != 0 &&
           std::binary_search(excluded_.begin(), excluded_.end(), id);
  }

 private:
  static constexpr std::size_t hint_bits = 4096;

  template <class Test>
  static std::size_t keep(const MemoryId* ids, std::size_t count, std::uint32_t* places, const Test& test) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t place = places[i];
      places[kept] = place;
      kept += test(ids[place]) ? 1 : 0;
    }
    return kept;
  }

  std::uint64_t as_of_ = 0;
  const std::vector<MemoryId>* allowed_ = nullptr;  // null: all
  std::span<const MemoryId> excluded_{};
  MemoryId first_ = 0;
  std::vector<std::uint64_t> bits_;                    // of the allowed ids, from first_ on
  std::array<std::uint64_t, hint_bits / 64> hints_{};  // most ids that are not excluded have no bit here
};

struct Candidate {
  float upper;
  Slot slot;
};

// The codes of a query and the terms of its bounds.
class CodedQuery {
 public:
  // `codes`: room for limits::dimension, aligned to kernels::code_block; it must outlive this.
  CodedQuery(std::span<const float> vector, Metric metric, double square, std::int8_t* codes)
      : metric_(metric), length_(std::sqrt(square)) {
    usable_ = metric == Metric::l2 ? length_ <= longest_coded(metric) : length_ > 0;
    if (!usable_) return;
    const double factor = metric == Metric::l2 ? 1 : 1 / length_;
    const CodeTerms terms = encode(vector, factor, length_ * factor, codes);
    const std::size_t stride = code_stride(vector.size());
    std::int32_t sum = 0;
    for (std::size_t j = 0; j < stride; ++j) sum += codes[j];
    code_query_ = {codes, stride, 128 * sum};
    constexpr float up = 1 + 0x1p-20F;
    bounds_.scale = terms.scale;
    bounds_.norm = terms.norm;
    bounds_.error_factor = up;
    bounds_.distance = metric == Metric::l2;
    if (bounds_.distance) {
      bounds_.square = terms.norm * terms.norm;
      bounds_.constant = terms.error * up + 1e-15F;
    } else {
      bounds_.norm_factor = (terms.error + terms.norm * 0x1p-20F) * up;
      bounds_.constant = 1e-35F;
    }
  }

  bool usable() const { return usable_; }  // else every row must be compared
  const kernels::CodeQuery& codes() const { return code_query_; }
  const kernels::QueryTerms& bounds() const { return bounds_; }
  // No row with this upper bound scores more.
  double best_score(float upper) const {
    switch (metric_) {
      case Metric::l2: return VectorScorer::of_distance(std::max(0.0, -static_cast<double>(upper)));
      case Metric::dot: return upper * length_;
      case Metric::cosine: break;
    }
    return upper;
  }

 private:
  Metric metric_;
  double length_;
  bool usable_ = false;
  kernels::CodeQuery code_query_;
  kernels::QueryTerms bounds_;
};

constexpr std::size_t block = kernels::bound_rows;

// Working memory of a thread, kept between searches; what grew large is given back.
struct Workspace {
  std::vector<Candidate> candidates;
  std::vector<float> lowers;
  alignas(kernels::code_block) std::array<std::int8_t, limits::dimension> query_codes{};
  // Of the rows of one block.
  alignas(64) std::array<std::int32_t, block> dots{};
  alignas(64) std::array<float, block> upper{}, lower{}, scales{}, norms{}, errors{};
  std::array<std::uint32_t, block> places{};
  std::array<std::uint32_t, block + 16> kept{};

  void reset() {
    constexpr std::size_t most = 1u << 14;
    if (candidates.capacity() > most) candidates = {};
    if (lowers.capacity() > most) lowers = {};
    candidates.clear();
    lowers.clear();
  }
};

class Scanner {
 public:
  Scanner(const FlatView& view, const VectorQuery& query, Gate gate)
      : view_(view),
        query_(query),
        scorer_(view.metric, query.vector),
        work_(workspace()),
        coded_(query.vector, view.metric, scorer_.square(), work_.query_codes.data()),
        gate_(std::move(gate)),
        k_(std::min(query.k, view.rows)) {
    work_.reset();
  }

  Result<VectorHits> all(std::size_t first_chunk) {
    std::size_t first = 0;
    for (std::size_t c = 0; first < view_.rows; ++c) {
      const std::size_t rows = view_.rows_of(c, first);
      first += rows;
      if (c < first_chunk) continue;
      FRACTAL_TRY(check());
      const VectorChunk& chunk = *(*view_.chunks)[c];
      for (std::size_t begin = 0; begin < rows; begin += block) scan(chunk, c, begin, std::min(block, rows - begin));
    }
    FRACTAL_TRY(rescore());
    return std::move(hits_);
  }

  Result<VectorHits> these(std::span<const Slot> slots) {
    for (std::size_t i = 0; i < slots.size();) {
      if (i % (1u << 14) < block) FRACTAL_TRY(check());
      const std::size_t c = chunk_of(slots[i]);
      const VectorChunk& chunk = *(*view_.chunks)[c];
      std::size_t count = 0;
      for (; i < slots.size() && count < block && chunk_of(slots[i]) == c; ++i) {
        work_.places[count++] = static_cast<std::uint32_t>(row_of(slots[i]));
      }
      score(chunk, c, 0, count, false);
    }
    FRACTAL_TRY(rescore());
    return std::move(hits_);
  }

  // The exact scores of these, the best first.
  Result<std::vector<VectorHits::Entry>> best_of(std::span<const Slot> slots) {
    for (const Slot slot : slots) work_.candidates.push_back({-lowest, slot});
    FRACTAL_TRY(rescore());
    return std::move(hits_.entries);
  }

 private:
  static Workspace& workspace() {
    thread_local const auto work = std::make_unique<Workspace>();
    return *work;
  }
  Result<void> check() const {
    return query_.control != nullptr ? check_control(*query_.control, "vector search") : Result<void>();
  }

  void scan(const VectorChunk& chunk, std::size_t c, std::size_t begin, std::size_t rows) {
    const std::size_t count = gate_.pass(chunk, begin, rows, work_.places.data());
    score(chunk, c, begin, count, count == rows);
  }

  // `whole`: the `count` rows from `begin` on; else those at work_.places, counted from there.
  void score(const VectorChunk& chunk, std::size_t c, std::size_t begin, std::size_t count, bool whole) {
    Workspace& w = work_;
    hits_.matched += count;
    if (count == 0 || k_ == 0) return;
    hits_.visited += count;
    const auto row = [&](std::size_t i) { return begin + (whole ? i : w.places[i]); };
    if (!coded_.usable()) {
      for (std::size_t i = 0; i < count; ++i) w.candidates.push_back({-lowest, slot_of(c, row(i))});
      return;
    }
    kernels::dot_codes(coded_.codes(), chunk.codes + begin * chunk.stride, whole ? nullptr : w.places.data(), count,
                       w.dots.data());
    kernels::RowTerms terms{chunk.scales + begin, chunk.norms + begin, chunk.errors + begin};
    if (!whole || count % 16 != 0) {  // rows behind the last may be in the writer's hands: not to be read
      for (std::size_t i = 0; i < count; ++i) {
        w.scales[i] = chunk.scales[row(i)];
        w.norms[i] = chunk.norms[row(i)];
        w.errors[i] = chunk.errors[row(i)];
      }
      terms = {w.scales.data(), w.norms.data(), w.errors.data()};
    }
    const std::size_t found = kernels::bound_scores(coded_.bounds(), terms, w.dots.data(), count, threshold_,
                                                    w.upper.data(), w.lower.data(), w.kept.data());
    for (std::size_t i = 0; i < found; ++i) {
      const std::uint32_t at = w.kept[i];
      if (w.upper[at] < threshold_) continue;
      w.candidates.push_back({w.upper[at], slot_of(c, row(at))});
      raise(w.lower[at]);
    }
  }

  // Keeps the k highest lower bounds; the threshold is the least of them.
  void raise(float lower) {
    auto& heap = work_.lowers;
    if (heap.size() == k_) {
      if (lower <= threshold_) return;
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      heap.back() = lower;
    } else {
      heap.push_back(lower);
    }
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
    if (heap.size() == k_) threshold_ = heap.front();
  }

  Result<void> rescore() {
    auto& candidates = work_.candidates;
    std::erase_if(candidates, [this](const Candidate& candidate) { return candidate.upper < threshold_; });
    // The most promising first: after them most of the others need no comparison.
    if (candidates.size() > k_ && k_ > 0) {
      std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k_ - 1), candidates.end(),
                       [](const Candidate& a, const Candidate& b) { return a.upper > b.upper; });
    }
    Best best(k_);
    std::size_t compared = 0;
    for (const Candidate& candidate : candidates) {
      if (best.full() && coded_.best_score(candidate.upper) < best.worst()) continue;
      if (++compared % 1024 == 0) FRACTAL_TRY(check());
      const VectorChunk& chunk = view_.chunk(candidate.slot);
      const std::size_t row = row_of(candidate.slot);
      best.offer(chunk.ids[row], scorer_(chunk.vector(row), chunk.squares[row]));
    }
    hits_.entries = best.take();
    return {};
  }

  const FlatView& view_;
  const VectorQuery& query_;
  VectorScorer scorer_;
  Workspace& work_;
  CodedQuery coded_;
  Gate gate_;
  std::size_t k_;
  float threshold_ = lowest;
  VectorHits hits_;
};

}  // namespace

Result<void> check_moment(const FlatView& view, const VectorQuery& query) {
  if (view.knows(query.as_of)) return {};
  return make_error(Errc::unavailable, "vector index: its state is of sequence {}, the query asks for {}",
                    view.applied(), query.as_of);
}

Result<VectorHits> scan_view(const FlatView& view, const VectorQuery& query, std::size_t first_chunk) {
  if (view.rows == 0) return VectorHits{};
  FRACTAL_TRY(check_query(view.dimension, view.metric, query));
  if (query.allowed != nullptr && query.allowed->empty()) return VectorHits{};
  return Scanner(view, query, Gate(view, query)).all(first_chunk);
}

Result<VectorHits> scan_slots(const FlatView& view, const VectorQuery& query, std::span<const Slot> slots) {
  if (view.rows == 0) return VectorHits{};
  FRACTAL_TRY(check_query(view.dimension, view.metric, query));
  return Scanner(view, query, Gate()).these(slots);
}

Result<std::vector<VectorHits::Entry>> best_of(const FlatView& view, const VectorQuery& query,
                                               std::span<const Slot> slots) {
  return Scanner(view, query, Gate()).best_of(slots);
}

}  // namespace fractal
