// The links of each space in memory, following the sequence of the rows: a derived view, loaded when walks have read
// about as many links from the storage as the space has, and dropped at will.
#ifndef FRACTAL_SRC_LINK_GRAPHS_H
#define FRACTAL_SRC_LINK_GRAPHS_H

#include "src/link_graph.h"
#include "src/space_map.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>

namespace fractal {

class Look;

// One space's graph; any thread.
class SpaceGraph {
 public:
  // `most_bytes`: with more it is not kept. 0: no limit.
  explicit SpaceGraph(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // The graph of just the look's moment, kept as it is while the lease lives. Null: the storage must be asked.
  class Lease {
   public:
    Lease() = default;
    const LinkGraph* get() const { return graph_; }

   private:
    friend class SpaceGraph;
    std::shared_ptr<SpaceGraph> owner_{};
    std::shared_lock<std::shared_mutex> lock_{};
    const LinkGraph* graph_ = nullptr;
  };
  static Result<Lease> as_of(const std::shared_ptr<SpaceGraph>& space, const Look& look);

  // What as_of() is about to take, roughly; 0: nothing new.
  std::uint64_t bytes_to_load(const Look& look) const;
  // Links that a walk read from the storage.
  void count_read(std::uint64_t links) { read_.fetch_add(links, std::memory_order_relaxed); }
  struct Size {
    std::uint64_t links = 0, bytes = 0;
  };
  Size size() const;

 private:
  Result<void> bring_up(const Look& look);
  static Result<void> load(LinkGraph& graph, const Look& look);
  static Result<void> follow(LinkGraph& graph, const Look& look, std::uint64_t after);
  bool can_follow(const SpaceRecord& to) const;  // from where it is, for less than reading all anew
  bool is_worth_it(const SpaceRecord& to) const;

  const std::uint64_t most_bytes_;
  mutable std::shared_mutex mutex_;
  LinkGraph graph_;
  std::uint64_t sequence_ = 0;  // of the graph; 0: it is not loaded
  std::atomic<std::uint64_t> read_{0};
};

using LinkGraphs = SpaceMap<SpaceGraph>;

}  // namespace fractal

#endif
