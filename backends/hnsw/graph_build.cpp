// Invariant: threads that build share only what a lock protects, or what is written before they begin.
//
// hnswlib holds the lists and chooses the neighbours (mutuallyConnectNewElement); its addPoint is not used, since
// its level generator and entry point are read without a lock. An insertion of our own instead:
//   - levels follow from a hash of the node, and all memory is there before the first insertion;
//   - `global` is held to read or to change the entry point, and taken before any lock of a list;
//   - a node's list is locked from its first link to its last, so nobody walks through a node half connected;
//   - the search of neighbours copies each list under its lock and computes the distances outside.
// A node's datum in hnswlib's memory is its number: codes stay where they are.
//
// hnswlib 0.6.2 has functions that are not inline, and a program may include it, too: hence the namespace
// without a name. What it includes comes first, outside of that.
#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <hwy/base.h>
#if HWY_ARCH_X86
#include <cpuid.h>
#include <immintrin.h>
#include <x86intrin.h>
#endif

#include "graph.h"
#include "graph_image.h"
#include "src/error.h"

namespace {
#include <hnswlib/hnswlib.h>
}  // namespace

namespace fractal::hnsw {
namespace {

// The greater the likeness of two rows, the smaller.
float distance(const CodeRows& rows, float dot, Node left, Node right) {
  float distance = -2 * (dot * rows.scales[left] * rows.scales[right]);
  if (rows.squares != nullptr) distance += rows.squares[left] + rows.squares[right];
  return distance;
}

float distance_of_nodes(const void* left, const void* right, const void* param) {
  const CodeRows& rows = *static_cast<const CodeRows*>(param);
  Node a = 0, b = 0;
  std::memcpy(&a, left, sizeof a);
  std::memcpy(&b, right, sizeof b);
  return distance(rows, static_cast<float>(kernels::dot_rows(rows.row(a), rows.row(b), rows.stride)), a, b);
}

class NodeSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit NodeSpace(CodeRows rows) : rows_(rows) {}
  std::size_t get_data_size() override { return sizeof(Node); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return &distance_of_nodes; }
  void* get_dist_func_param() override { return &rows_; }

 private:
  CodeRows rows_;
};

// A level is reached by one node in m of the level below; the same node always has the same levels.
unsigned levels_of(Node node, std::uint32_t m) {
  std::uint64_t hash = (std::uint64_t{node} + 1) * 0x9e3779b97f4a7c15;  // splitmix64
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  unsigned levels = 0;
  for (std::uint64_t below = ~std::uint64_t{0} / m; hash < below && levels < most_levels; below /= m) ++levels;
  return levels;
}

using Index = hnswlib::HierarchicalNSW<float>;
using Nearest =
    std::priority_queue<std::pair<float, unsigned>, std::vector<std::pair<float, unsigned>>, Index::CompareByFirst>;

// What one thread needs to insert: nothing of it is shared.
struct Inserter {
  Inserter(std::size_t rows, std::size_t stride) : visited(rows / 64 + 1), codes(stride + kernels::code_block) {}

  std::vector<std::uint64_t> visited;
  std::vector<Node> seen{};  // those whose bit is set
  std::vector<std::int8_t> codes;
  kernels::CodeQuery query{};  // the row to insert
  Node node = no_node;
  std::vector<Node> links{};
  std::vector<const std::uint8_t*> addresses{};
  std::vector<std::int32_t> dots{};
};

class Builder {
 public:
  Builder(const CodeRows& rows, const GraphParameters& parameters)
      : rows_(rows),
        parameters_(parameters),
        space_(rows),
        index_(&space_, rows.count, parameters.m, parameters.ef_construction) {
    std::memset(index_.data_level0_memory_, 0, rows.count * index_.size_data_per_element_);
    std::fill(index_.linkLists_, index_.linkLists_ + rows.count, nullptr);
    index_.cur_element_count = rows.count;  // its destructor frees the lists of so many
    for (Node node = 0; node < rows.count; ++node) {
      std::memcpy(index_.getDataByInternalId(node), &node, sizeof node);
      const unsigned levels = levels_of(node, parameters.m);
      if (levels > 0) {
        // It prefetches one number behind a full list.
        void* const lists = std::calloc(1, levels * index_.size_links_per_element_ + sizeof(Node));
        if (lists == nullptr) throw std::bad_alloc();
        index_.linkLists_[node] = static_cast<char*>(lists);
        index_.element_levels_[node] = static_cast<int>(levels);
      }
    }
  }

  // Fills the lists from the frozen arrays; false: its levels are not those that the nodes have.
  bool thaw(const GraphArrays& graph);
  // Inserts the rest; false: keep_on did.
  bool insert_all(std::size_t threads, const std::function<bool(std::size_t)>& keep_on);
  std::shared_ptr<const Graph> freeze() const;

 private:
  void insert(Inserter& own, Node node);
  // The node nearest to the inserter's on this level, from `from` by single steps.
  Node descend(Inserter& own, Node from, int level);
  Nearest search(Inserter& own, Node from, int level);
  // To own.links.
  void copy_links(Inserter& own, Node node, int level);
  // own.links' distances from the row to insert: calls use(node, distance) for each.
  template <class Use> void measure_links(Inserter& own, const Use& use);
  std::span<const Node> links(Node node, int level) const {
    auto* const list = index_.get_linklist_at_level(node, level);
    return {list + 1, index_.getListCount(list)};
  }

  const CodeRows rows_;
  const GraphParameters parameters_;
  NodeSpace space_;
  Index index_;
  Node inserted_ = 0;  // the nodes below are in the graph
};

void set_query(Inserter& own, const CodeRows& rows, Node node) {
  void* begin = own.codes.data();
  std::size_t room = own.codes.size();
  auto* const codes = static_cast<std::int8_t*>(std::align(kernels::code_block, rows.stride, begin, room));
  const std::uint8_t* const row = rows.row(node);
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < rows.stride; ++j) {
    codes[j] = static_cast<std::int8_t>(row[j] - 128);
    sum += codes[j];
  }
  own.query = {codes, rows.stride, 128 * sum};
  own.node = node;
}

void Builder::copy_links(Inserter& own, Node node, int level) {
  const std::lock_guard lock(index_.link_list_locks_[node]);
  const auto list = links(node, level);
  own.links.assign(list.begin(), list.end());
}

template <class Use> void Builder::measure_links(Inserter& own, const Use& use) {
  own.addresses.clear();
  for (const Node node : own.links) {
    const std::uint8_t* const row = rows_.row(node);
    for (std::size_t j = 0; j < rows_.stride; j += 64) __builtin_prefetch(row + j, 0, 2);
    own.addresses.push_back(row);
  }
  own.dots.resize(own.links.size());
  kernels::dot_codes(own.query, own.addresses.data(), own.addresses.size(), own.dots.data());
  for (std::size_t i = 0; i < own.links.size(); ++i) {
    use(own.links[i], distance(rows_, static_cast<float>(own.dots[i]), own.node, own.links[i]));
  }
}

Node Builder::descend(Inserter& own, Node from, int level) {
  own.links.assign(1, from);
  float best = 0;
  measure_links(own, [&](Node, float distance) { best = distance; });
  for (bool closer = true; closer;) {
    closer = false;
    copy_links(own, from, level);
    measure_links(own, [&](Node node, float distance) {
      if (distance < best) {
        best = distance;
        from = node;
        closer = true;
      }
    });
  }
  return from;
}

Nearest Builder::search(Inserter& own, Node from, int level) {
  Nearest nearest, open;  // `open` by the negative distance
  const std::size_t ef = std::max(parameters_.ef_construction, parameters_.m);
  const auto meet = [&](Node node, float distance) {
    if (nearest.size() == ef && !(distance < nearest.top().first)) return;
    nearest.emplace(distance, node);
    open.emplace(-distance, node);
    __builtin_prefetch(&index_.link_list_locks_[node], 1, 2);
    if (level == 0) {
      const char* const list = reinterpret_cast<const char*>(index_.get_linklist0(node));
      for (std::size_t i = 0; i < index_.size_links_level0_; i += 64) __builtin_prefetch(list + i, 0, 2);
    }
    if (nearest.size() > ef) nearest.pop();
  };
  const auto is_new = [&](Node node) {
    std::uint64_t& word = own.visited[node / 64];
    const std::uint64_t bit = std::uint64_t{1} << (node % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    own.seen.push_back(node);
    return true;
  };
  own.links.assign(1, from);
  is_new(from);
  measure_links(own, meet);
  while (!open.empty() && (nearest.size() < ef || -open.top().first <= nearest.top().first)) {
    const Node node = open.top().second;
    open.pop();
    copy_links(own, node, level);
    std::erase_if(own.links, [&](Node link) { return !is_new(link); });
    measure_links(own, meet);
  }
  for (const Node node : own.seen) own.visited[node / 64] = 0;
  own.seen.clear();
  return nearest;
}

void Builder::insert(Inserter& own, Node node) {
  const int levels = index_.element_levels_[node];
  std::unique_lock global(index_.global);
  const int highest = index_.maxlevel_;
  Node entry = index_.enterpoint_node_;
  if (levels <= highest) global.unlock();
  const std::lock_guard lock(index_.link_list_locks_[node]);
  if (entry != no_node) {
    set_query(own, rows_, node);
    for (int level = highest; level > levels; --level) entry = descend(own, entry, level);
    for (int level = std::min(levels, highest); level >= 0; --level) {
      Nearest nearest = search(own, entry, level);
      entry = index_.mutuallyConnectNewElement(index_.getDataByInternalId(node), node, nearest, level, false);
    }
  }
  if (levels > highest) {
    index_.enterpoint_node_ = node;
    index_.maxlevel_ = levels;
  }
}

bool Builder::insert_all(std::size_t threads, const std::function<bool(std::size_t)>& keep_on) {
  std::atomic<std::size_t> next{inserted_}, done{inserted_};
  std::atomic<bool> stop{false};
  std::mutex guard;
  std::exception_ptr failure;
  const auto work = [&](bool asks) noexcept {
    try {
      Inserter own(rows_.count, rows_.stride);
      while (!stop.load(std::memory_order_relaxed)) {
        if (asks && keep_on && !keep_on(done.load(std::memory_order_relaxed))) {
          stop = true;
          return;
        }
        const std::size_t node = next.fetch_add(1, std::memory_order_relaxed);
        if (node >= rows_.count) return;
        insert(own, static_cast<Node>(node));
        done.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (...) {
      stop = true;
      const std::lock_guard lock(guard);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work, false);
    work(true);
  }
  if (failure) std::rethrow_exception(failure);
  return !stop;
}

bool Builder::thaw(const GraphArrays& graph) {
  const auto fill = [this](Node node, int level, std::span<const Node> nodes) {
    auto* const list = index_.get_linklist_at_level(node, level);
    index_.setListCount(list, static_cast<unsigned short>(nodes.size()));
    std::copy(nodes.begin(), nodes.end(), list + 1);
  };
  const auto filled = [](const std::uint32_t* list, std::size_t length) {
    return std::span(list, std::find(list, list + length, no_node));
  };
  for (Node node = 0; node < graph.rows; ++node) fill(node, 0, filled(graph.links_of(node), 2 * graph.m));
  std::vector<Node> nodes;
  for (std::uint32_t upper = 0; upper < graph.upper_nodes.size(); ++upper) {
    const Node node = graph.upper_nodes[upper];
    if (graph.levels_of(upper) != static_cast<unsigned>(index_.element_levels_[node])) return false;
    for (unsigned level = 1; level <= graph.levels_of(upper); ++level) {
      nodes.clear();
      for (const std::uint32_t link : filled(graph.upper_links_of(upper, level), graph.m)) {
        nodes.push_back(graph.upper_nodes[link]);
      }
      fill(node, static_cast<int>(level), nodes);
    }
  }
  index_.enterpoint_node_ = graph.entry;
  index_.maxlevel_ = graph.rows > 0 ? static_cast<int>(graph.levels) : -1;
  inserted_ = static_cast<Node>(graph.rows);
  return true;
}

std::shared_ptr<const Graph> Builder::freeze() const {
  std::vector<Node> upper_nodes;
  std::size_t lists = 0;
  for (Node node = 0; node < rows_.count; ++node) {
    if (index_.element_levels_[node] > 0) upper_nodes.push_back(node);
    lists += static_cast<std::size_t>(index_.element_levels_[node]);
  }
  const auto number_of = [&](Node node) {
    return static_cast<std::uint32_t>(std::lower_bound(upper_nodes.begin(), upper_nodes.end(), node) -
                                      upper_nodes.begin());
  };
  const std::vector<Node> others =
      not_reached(rows_.count, index_.enterpoint_node_, [this](Node node) { return links(node, 0); });
  GraphHeader header;
  header.m = parameters_.m;
  header.ef_construction = parameters_.ef_construction;
  header.rows = rows_.count;
  header.upper_nodes = upper_nodes.size();
  header.upper_lists = lists;
  header.unreachable = others.size();
  if (rows_.count > 0) {
    header.entry = index_.enterpoint_node_;
    header.levels = static_cast<std::uint32_t>(index_.maxlevel_);
    header.entry_upper = upper_nodes.empty() ? 0 : number_of(header.entry);
  }
  GraphDraft draft(header);
  for (Node node = 0; node < rows_.count; ++node) {
    const auto list = links(node, 0);
    std::fill(std::copy(list.begin(), list.end(), draft.links_of(node)),
              draft.links_of(node) + std::size_t{2} * header.m, no_node);
  }
  std::copy(upper_nodes.begin(), upper_nodes.end(), draft.upper_nodes());
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < upper_nodes.size(); ++i) {
    draft.upper_first()[i] = next;
    for (int level = 1; level <= index_.element_levels_[upper_nodes[i]]; ++level, ++next) {
      const auto list = links(upper_nodes[i], level);
      std::uint32_t* const out = draft.upper_list(next);
      std::fill(std::transform(list.begin(), list.end(), out, number_of), out + header.m, no_node);
    }
  }
  draft.upper_first()[upper_nodes.size()] = next;
  std::copy(others.begin(), others.end(), draft.unreachable());
  return std::move(draft).finish();
}

Result<void> check(const CodeRows& rows, const Graph::Build& build) {
  const GraphParameters& parameters = build.previous != nullptr ? build.previous->parameters() : build.parameters;
  if (parameters.m < 2 || parameters.m > most_m) {
    return make_error(Errc::invalid_argument, "graph: m is {}, allowed are 2 to {}", parameters.m, most_m);
  }
  if (parameters.ef_construction < 1 || parameters.ef_construction > most_ef_construction) {
    return make_error(Errc::invalid_argument, "graph: ef_construction is {}, allowed are 1 to {}",
                      parameters.ef_construction, most_ef_construction);
  }
  if (rows.count > most_rows) return make_error(Errc::unsupported, "graph: {} rows are too many", rows.count);
  if (build.previous != nullptr && build.previous->rows() > rows.count) {
    return make_error(Errc::invalid_argument, "graph: of {} rows, to be extended to {}", build.previous->rows(),
                      rows.count);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Graph>> Graph::build(const CodeRows& rows, const Build& build) {
  FRACTAL_TRY(check(rows, build));
  try {
    Builder builder(rows, build.previous != nullptr ? build.previous->parameters() : build.parameters);
    if (build.previous != nullptr && !builder.thaw(GraphArrays(build.previous->image().data()))) {
      return make_error(Errc::corruption, "graph: the one to be extended has levels of its own");
    }
    if (!builder.insert_all(build.threads, build.keep_on)) {
      return make_error(Errc::unavailable, "graph: the build was given up");
    }
    return builder.freeze();
  } catch (const std::exception& failure) {
    return make_error(Errc::unavailable, "graph: the build failed: {}", failure.what());
  }
}

}  // namespace fractal::hnsw
