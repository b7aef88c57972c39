// k-hop walks.
// Invariant: each coordinate is expanded once, so the cost is that of the links of the coordinates reached,
// whatever the number of ways to them; and no hop is begun that the page does not need.
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/links_at.h"
#include "src/node_marks.h"
#include "src/validate.h"

#include <algorithm>
#include <string>
#include <utility>

namespace fractal {
namespace {

using Node = LinkGraph::Node;

// A thread's memory between walks.
struct Scratch {
  NodeMarks visited{}, found{};  // found: their places among those of the hop
};
Scratch& scratch_of_thread() {
  thread_local Scratch scratch;
  scratch.visited.clear();
  scratch.found.clear();
  return scratch;
}

struct Reached {
  Node node = 0;
  std::uint32_t link = 0;  // that led to it
  std::size_t hops = 0;
};

class Walk {
 public:
  Walk(LinksAt& links, Node start, const NeighborOptions& options)
      : links_(links), options_(options), wanted_(options.offset + options.limit), frontier_{start} {
    scratch_.visited.set(start);
  }

  Result<std::vector<Reached>> run() {
    for (std::size_t hop = 1; hop <= options_.hops && !frontier_.empty() && reached_.size() < wanted_; ++hop) {
      FRACTAL_TRY(check_control(options_.control, "neighbors"));
      FRACTAL_TRY(take_hop(hop));
    }
    return std::move(reached_);
  }

 private:
  Result<void> take_hop(std::size_t hop) {
    FRACTAL_TRY(links_.fetch(frontier_, options_.direction));
    std::vector<Reached> level;
    for (const Node node : frontier_) {
      links_.each_edge(node, options_.direction, [&](const LinkGraph::Edge& edge) {
        if (scratch_.visited.contains(edge.other)) return;
        if (!scratch_.found.contains(edge.other)) {
          scratch_.found.set(edge.other, static_cast<std::uint32_t>(level.size()));
          level.push_back({edge.other, edge.link, hop});
        } else if (Reached& known = level[scratch_.found.at(edge.other)]; links_.is_better(edge.link, known.link)) {
          known.link = edge.link;
        }
      });
    }
    frontier_.clear();
    for (const Reached& reached : level) {
      scratch_.visited.set(reached.node);
      frontier_.push_back(reached.node);
    }
    take_best(level);
    return {};
  }

  // The strongest links first, then by coordinate; as many as the page needs.
  void take_best(std::vector<Reached>& level) {
    const LinkGraph& graph = links_.graph();
    const std::size_t count = std::min(level.size(), wanted_ - reached_.size());
    const auto end = level.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(level.begin(), end, level.end(), [&graph](const Reached& left, const Reached& right) {
      const double a = graph.link(left.link).strength, b = graph.link(right.link).strength;
      return a != b ? a > b : graph.key(left.node) < graph.key(right.node);
    });
    reached_.insert(reached_.end(), level.begin(), end);
  }

  LinksAt& links_;
  const NeighborOptions& options_;
  const std::size_t wanted_;
  Scratch& scratch_ = scratch_of_thread();
  std::vector<Node> frontier_;
  std::vector<Reached> reached_;
};

Result<std::vector<std::uint64_t>> count_hops(LinksAt& links, Node start, const ReachOptions& options) {
  NodeMarks& visited = scratch_of_thread().visited;
  visited.set(start);
  std::vector<Node> frontier{start}, next;
  std::vector<std::uint64_t> counts;
  while (counts.size() < options.hops && !frontier.empty()) {
    FRACTAL_TRY(check_control(options.control, "reach"));
    FRACTAL_TRY(links.fetch(frontier, options.direction));
    next.clear();
    for (const Node node : frontier) {
      links.each_edge(node, options.direction, [&](const LinkGraph::Edge& edge) {
        if (visited.contains(edge.other)) return;
        visited.set(edge.other);
        next.push_back(edge.other);
      });
    }
    if (!next.empty()) counts.push_back(next.size());
    std::swap(frontier, next);
  }
  return counts;
}

}  // namespace

Result<std::vector<Neighbor>> Reads::neighbors(const Coordinate& coordinate, const NeighborOptions& options) const {
  FRACTAL_TRY(coordinate.check());
  FRACTAL_TRY(check_walk(options.hops, options.type));
  if (options.limit > limits::top_k || options.offset > limits::top_k - options.limit) {
    return make_error(Errc::invalid_argument, "limit {} + offset {} is more than {}", options.limit, options.offset,
                      limits::top_k);
  }
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(LinksAt links, LinksAt::make(*database_, look, options.type));
  std::vector<Neighbor> neighbors;
  const auto start = links.node(coordinate.key());
  if (!start) return neighbors;
  FRACTAL_TRY_INTO(const auto reached, Walk(links, *start, options).run());
  for (std::size_t i = options.offset; i < reached.size(); ++i) {
    Neighbor& neighbor = neighbors.emplace_back();
    neighbor.hops = reached[i].hops;
    FRACTAL_TRY_INTO(neighbor.coordinate, Coordinate::from_key(links.graph().key(reached[i].node)));
    FRACTAL_TRY_INTO(neighbor.link, links.whole(reached[i].link));
  }
  return neighbors;
}

Result<std::vector<std::uint64_t>> Reads::reach(const Coordinate& coordinate, const ReachOptions& options) const {
  FRACTAL_TRY(coordinate.check());
  FRACTAL_TRY(check_walk(options.hops, options.type));
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(LinksAt links, LinksAt::make(*database_, look, options.type));
  const auto start = links.node(coordinate.key());
  if (!start) return std::vector<std::uint64_t>();
  return count_hops(links, *start, options);
}

}  // namespace fractal
