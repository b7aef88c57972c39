// Invariant: a walk is a function of graph, codes and query: not of the thread or the walks before it, nor (but for
// rows of float32) of the instruction set. Sums of codes are integers, likenesses one formula of floats in one order
// (compiled without contraction), and the thread's memory of visited rows is clear between walks.
#include "graph_image.h"
#include "src/code_sums.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/hnsw/graph_walk.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#ifndef FRACTAL_HNSW_GRAPH_WALK_ONCE
#define FRACTAL_HNSW_GRAPH_WALK_ONCE
namespace fractal::hnsw {
namespace {

// Not into the first level, whose misses in flight are few: 1.4 to 1.5 times the walks (Zen 4).
HWY_INLINE void to_second_level(const void* line) { __builtin_prefetch(line, 0, 2); }

// In a pool's node: its links were followed.
constexpr Node expanded = Node{1} << 31;
// Memory answers the more at once, the more rows are asked for.
constexpr std::size_t expanded_at_once = 3;

// Rows looked at together; room for 16 more than `size`.
struct Batch {
  Node* nodes = nullptr;
  const std::uint8_t** rows = nullptr;
  float* likeness = nullptr;
  std::size_t size = 0;
};

// A thread's memory between walks. `visited` is zero.
struct Scratch {
  // Room for this walk; may throw bad_alloc, and then nothing is changed that counts.
  void prepare(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query);
  void forget(std::size_t seen_count);

  std::vector<std::uint32_t> visited{};  // a bit of each row
  std::unique_ptr<Node[]> seen{};        // the rows whose bit is set
  std::size_t most_seen = 0;
  Batch batch{};
  float *pool_likeness = nullptr, *kept_likeness = nullptr;
  Node *pool_nodes = nullptr, *kept_nodes = nullptr;
  std::int16_t* widened = nullptr;
  std::size_t ef = 0, keep = 0;

 private:
  std::vector<std::byte> room_{};
};

void Scratch::prepare(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query) {
  const std::size_t batch_size = std::max<std::size_t>(expanded_at_once * 2 * graph.m, 64);
  const std::size_t wanted_seen = graph.rows + batch_size + 16;
  if (visited.size() < graph.rows / 32 + 1) visited.resize(graph.rows / 32 + 1);
  if (most_seen < wanted_seen) {
    seen = std::make_unique_for_overwrite<Node[]>(wanted_seen + 16);
    most_seen = wanted_seen;
  }
  keep = std::clamp<std::size_t>(query.keep, 1, std::max<std::size_t>(graph.rows, 1));
  ef = std::clamp<std::size_t>(query.ef, keep, std::max<std::size_t>(graph.rows, keep));
  batch.size = batch_size;
  std::size_t bytes = 0;
  const auto lay_out = [&bytes](std::byte* begin, auto*& array, std::size_t count) {
    if (begin != nullptr) array = reinterpret_cast<std::remove_reference_t<decltype(array)>>(begin + bytes);
    bytes += (count * sizeof *array + 63) / 64 * 64;
  };
  const auto lay_out_all = [&](std::byte* begin) {
    bytes = 0;
    lay_out(begin, batch.nodes, batch_size + 16);
    lay_out(begin, batch.rows, batch_size + 16);
    lay_out(begin, batch.likeness, batch_size + 16);
    lay_out(begin, pool_likeness, ef + 16);
    lay_out(begin, pool_nodes, ef + 16);
    lay_out(begin, kept_likeness, keep + 16);
    lay_out(begin, kept_nodes, keep + 16);
    lay_out(begin, widened, query.codes.stride);
  };
  lay_out_all(nullptr);
  if (room_.size() < bytes + 64) room_.resize(bytes + 64);
  void* begin = room_.data();
  std::size_t room = room_.size();
  lay_out_all(static_cast<std::byte*>(std::align(64, bytes, begin, room)));
}

void Scratch::forget(std::size_t seen_count) {
  if (seen_count < visited.size() / 16) {
    for (std::size_t i = 0; i < seen_count; ++i) visited[seen[i] / 32] = 0;
  } else {
    std::fill(visited.begin(), visited.end(), 0);
  }
}

// Among equal likenesses the order is that of the nodes.
void sort_ties(std::vector<Walked::Entry>& entries) {
  const auto before = [](const Walked::Entry& a, const Walked::Entry& b) {
    return a.likeness > b.likeness || (a.likeness == b.likeness && a.node < b.node);
  };
  if (!std::is_sorted(entries.begin(), entries.end(), before)) std::sort(entries.begin(), entries.end(), before);
}

float likeness_of(const CodeRows& rows, Node node, float factor, float dot) {
  const float product = dot * factor * rows.scales[node];
  return rows.squares != nullptr ? product - rows.squares[node] : product;
}

}  // namespace
}  // namespace fractal::hnsw
#endif

HWY_BEFORE_NAMESPACE();
namespace fractal::hnsw::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#include "walk_kernels.h"
#include "walk_steps.h"

std::size_t walk(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Scratch& scratch,
                 Walked& out) {
  switch (rows.kind) {
    case Codes::float32: return walk_by<Float32Kernel>(graph, rows, query, scratch, out);
    case Codes::bit: return walk_by<BitKernel>(graph, rows, query, scratch, out);
    case Codes::int8: break;
  }
  return walk_by<Int8Kernel>(graph, rows, query, scratch, out);
}

}  // namespace
}  // namespace fractal::hnsw::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#if HWY_ARCH_X86
HWY_PUSH_ATTRIBUTES(FRACTAL_VNNI_TARGET)
#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
namespace fractal::hnsw::vnni {
namespace {

class Int8Kernel {
 public:
  Int8Kernel(const CodeRows&, const WalkQuery& query, const std::int16_t*)
      : query_(query.codes.codes), stride_(query.codes.stride), offset_(query.codes.offset), factor_(2 * query.scale) {}

  HWY_INLINE void likenesses(const CodeRows& rows, const std::uint8_t* const* addresses, const Node* nodes,
                             std::size_t count, float* out) const {
    using kernels::partial_sums;
    const __m128i offset = _mm_set1_epi32(offset_);
    const __m128 factor = _mm_set1_ps(factor_);
    for (std::size_t i = 0; i < count; i += 4) {
      const auto at = [&](std::size_t k) { return nodes[std::min(i + k, count - 1)]; };
      const auto numbers = [&](const float* from) {
        return _mm_setr_ps(from[at(0)], from[at(1)], from[at(2)], from[at(3)]);
      };
      const __m512i a = partial_sums(query_, addresses[i], stride_),
                    b = partial_sums(query_, addresses[i + 1], stride_);
      const __m512i c = partial_sums(query_, addresses[i + 2], stride_);
      const __m512i d = partial_sums(query_, addresses[i + 3], stride_);
      const __m128i dots = _mm_sub_epi32(kernels::fold(a, b, c, d), offset);
      __m128 likeness = _mm_mul_ps(_mm_mul_ps(_mm_cvtepi32_ps(dots), factor), numbers(rows.scales));
      if (rows.squares != nullptr) likeness = _mm_sub_ps(likeness, numbers(rows.squares));
      _mm_storeu_ps(out + i, likeness);
    }
  }

  static HWY_INLINE std::size_t not_visited(const Node* links, std::size_t length, std::uint32_t* visited, Node* out) {
    std::size_t found = 0;
    const __m512i none = _mm512_set1_epi32(-1), one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(31);
    for (std::size_t i = 0; i < length; i += 16) {
      const auto lanes = static_cast<__mmask16>(length - i >= 16 ? 0xffff : (1u << (length - i)) - 1);
      const __m512i nodes = _mm512_maskz_loadu_epi32(lanes, links + i);
      const __mmask16 valid = _mm512_mask_cmpneq_epi32_mask(lanes, nodes, none);
      const __m512i words =
          _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), valid, _mm512_srli_epi32(nodes, 5), visited, 4);
      const __m512i bits = _mm512_sllv_epi32(one, _mm512_and_si512(nodes, low));
      const __mmask16 fresh = _mm512_mask_testn_epi32_mask(valid, words, bits);
      // Not a compressing store, which takes a hundred cycles on some processors.
      _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(fresh, nodes));
      const std::size_t end = found + static_cast<std::size_t>(std::popcount(static_cast<unsigned>(fresh)));
      for (; found < end; ++found) visited[out[found] / 32] |= std::uint32_t{1} << (out[found] % 32);
      if (valid != 0xffff) break;
    }
    return found;
  }

  static HWY_INLINE std::size_t place(const float* likeness, std::size_t size, float x) {
    const __m512 wanted = _mm512_set1_ps(x);
    std::size_t place = 0;
    for (std::size_t i = 0; i < size; i += 16) {
      const auto lanes = static_cast<__mmask16>(size - i >= 16 ? 0xffff : (1u << (size - i)) - 1);
      const __mmask16 more = _mm512_mask_cmp_ps_mask(lanes, _mm512_loadu_ps(likeness + i), wanted, _CMP_GE_OQ);
      place += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(more)));
    }
    return place;
  }

  static HWY_INLINE void shift(float* likeness, Node* nodes, std::size_t at, std::size_t size) {
    std::size_t end = size - 1;
    for (; end >= at + 16; end -= 16) {
      _mm512_storeu_ps(likeness + end - 15, _mm512_loadu_ps(likeness + end - 16));
      _mm512_storeu_si512(nodes + end - 15, _mm512_loadu_si512(nodes + end - 16));
    }
    const auto lanes = static_cast<__mmask16>((1u << (end - at)) - 1);
    _mm512_mask_storeu_ps(likeness + at + 1, lanes, _mm512_loadu_ps(likeness + at));
    _mm512_mask_storeu_epi32(nodes + at + 1, lanes, _mm512_loadu_si512(nodes + at));
  }

 private:
  const std::int8_t* query_;
  std::size_t stride_;
  std::int32_t offset_;
  float factor_;
};

#include "walk_steps.h"  // NOLINT(readability-duplicate-include): once for each instruction set

}  // namespace
}  // namespace fractal::hnsw::vnni
#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic pop
#endif
HWY_POP_ATTRIBUTES
#endif

namespace fractal::hnsw {
namespace {

HWY_EXPORT(walk);

std::size_t walk_here(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Scratch& scratch,
                      Walked& out) {
#if HWY_ARCH_X86
  if (kernels::vnni() && rows.kind == Codes::int8) {
    return vnni::walk_by<vnni::Int8Kernel>(graph, rows, query, scratch, out);
  }
#endif
  return HWY_DYNAMIC_DISPATCH(walk)(graph, rows, query, scratch, out);
}

}  // namespace

void walk_graph(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Walked& out) {
  thread_local Scratch scratch;
  out.entries.clear();
  out.visited = 0;
  if (graph.rows == 0 || query.keep == 0) return;
  scratch.prepare(graph, rows, query);
  out.entries.reserve(std::min(query.keep, graph.rows));  // nothing throws from here on
  scratch.forget(walk_here(graph, rows, query, scratch, out));
}

}  // namespace fractal::hnsw
#endif
