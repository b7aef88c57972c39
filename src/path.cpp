// Shortest ways: breadth-first from both ends, or Dijkstra's algorithm on 1/strength.
// Invariant: the links returned exist, join end to end, and no allowed way is shorter (or lighter).
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/links_at.h"
#include "src/node_marks.h"
#include "src/validate.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fractal {
namespace {

using Node = LinkGraph::Node;

Direction reversed(Direction direction) {
  if (direction == Direction::both) return direction;
  return direction == Direction::outgoing ? Direction::incoming : Direction::outgoing;
}

// One end of the search from both ends: what it reached, and by which link.
class Side {
 public:
  Side(LinksAt& links, Node start, Direction direction, NodeMarks& places)
      : links_(links), direction_(direction), places_(places), frontier_{start} {
    places_.clear();
    places_.set(start, 0);
    steps_.push_back({start, 0, 0});
  }

  struct Step {
    Node previous = 0;  // itself at the start
    std::uint32_t link = 0;
    std::size_t level = 0;
  };

  bool exhausted() const { return frontier_.empty(); }
  std::size_t width() const { return frontier_.size(); }
  std::size_t level() const { return level_; }
  const std::vector<Node>& frontier() const { return frontier_; }
  bool reached(Node node) const { return places_.contains(node); }
  const Step& step(Node node) const { return steps_[places_.at(node)]; }

  Result<void> expand() {
    ++level_;
    FRACTAL_TRY(links_.fetch(frontier_, direction_));
    std::vector<Node> next;
    for (const Node node : frontier_) {
      links_.each_edge(node, direction_, [&](const LinkGraph::Edge& edge) { offer(node, edge, next); });
    }
    frontier_ = std::move(next);
    return {};
  }

 private:
  void offer(Node origin, const LinkGraph::Edge& edge, std::vector<Node>& next) {
    if (!places_.contains(edge.other)) {
      places_.set(edge.other, static_cast<std::uint32_t>(steps_.size()));
      steps_.push_back({origin, edge.link, level_});
      next.push_back(edge.other);
      return;
    }
    Step& step = steps_[places_.at(edge.other)];
    if (step.level == level_ && is_better(origin, edge.link, step)) step = {origin, edge.link, level_};
  }

  bool is_better(Node origin, std::uint32_t link, const Step& step) const {
    const LinkGraph& graph = links_.graph();
    const LinkGraph::Link &by = graph.link(link), &known = graph.link(step.link);
    if (by.strength != known.strength) return by.strength > known.strength;
    return std::tuple(graph.key(origin), std::string_view(graph.type(by.type)), graph.key(by.from)) <
           std::tuple(graph.key(step.previous), std::string_view(graph.type(known.type)), graph.key(known.from));
  }

  LinksAt& links_;
  const Direction direction_;
  NodeMarks& places_;  // in steps_
  std::vector<Step> steps_;
  std::vector<Node> frontier_;
  std::size_t level_ = 0;
};

using Way = std::optional<std::vector<std::uint32_t>>;  // the links

Way join(const Side& front, const Side& back, Node meeting) {
  std::vector<std::uint32_t> links;
  for (Node node = meeting; front.step(node).level > 0; node = front.step(node).previous) {
    links.push_back(front.step(node).link);
  }
  std::reverse(links.begin(), links.end());
  for (Node node = meeting; back.step(node).level > 0; node = back.step(node).previous) {
    links.push_back(back.step(node).link);
  }
  return links;
}

Result<Way> fewest_links(LinksAt& links, Node from, Node to, const PathOptions& options) {
  thread_local NodeMarks front_marks, back_marks;
  Side front(links, from, options.direction, front_marks);
  Side back(links, to, reversed(options.direction), back_marks);
  while (!front.exhausted() && !back.exhausted() && front.level() + back.level() < options.max_hops) {
    FRACTAL_TRY(check_control(options.control, "path"));
    Side& side = front.width() <= back.width() ? front : back;
    const Side& other = &side == &front ? back : front;
    FRACTAL_TRY(side.expand());
    std::optional<Node> meeting;
    for (const Node node : side.frontier()) {
      if (!other.reached(node)) continue;
      if (!meeting || links.graph().key(node) < links.graph().key(*meeting)) meeting = node;
    }
    if (meeting) return join(front, back, *meeting);
  }
  return Way{};
}

// A way to a coordinate: labels are settled in order of cost, so a later one is of use only with fewer hops.
struct Label {
  double cost = 0;
  std::size_t hops = 0;
  Node node = 0;
  std::size_t settled = 0;  // index of the label it comes from
  std::uint32_t link = 0;
};

std::vector<std::uint32_t> trace(const std::vector<Label>& settled, std::size_t last) {
  std::vector<std::uint32_t> links;
  for (std::size_t i = last; settled[i].hops != 0; i = settled[i].settled) links.push_back(settled[i].link);
  std::reverse(links.begin(), links.end());
  return links;
}

Result<Way> least_weight(LinksAt& links, Node from, Node to, const PathOptions& options) {
  const LinkGraph& graph = links.graph();
  const auto later = [&graph](const Label& left, const Label& right) {
    if (left.cost != right.cost) return left.cost > right.cost;
    if (left.hops != right.hops) return left.hops > right.hops;
    if (left.node != right.node) return graph.key(left.node) > graph.key(right.node);
    if (left.hops == 0) return false;
    const LinkGraph::Link &a = graph.link(left.link), &b = graph.link(right.link);
    return std::tuple(graph.key(a.from), std::string_view(graph.type(a.type))) >
           std::tuple(graph.key(b.from), std::string_view(graph.type(b.type)));
  };
  std::priority_queue<Label, std::vector<Label>, decltype(later)> open(later);
  std::vector<Label> settled;
  thread_local NodeMarks fewest_hops;
  fewest_hops.clear();
  open.push({.node = from});
  while (!open.empty()) {
    FRACTAL_TRY(check_control(options.control, "path"));
    const Label label = open.top();
    open.pop();
    if (fewest_hops.contains(label.node) && fewest_hops.at(label.node) <= label.hops) continue;
    fewest_hops.set(label.node, static_cast<std::uint32_t>(label.hops));
    const std::size_t index = settled.size();
    settled.push_back(label);
    if (label.node == to) return Way(trace(settled, index));
    if (label.hops == options.max_hops) continue;
    FRACTAL_TRY(links.fetch({&label.node, 1}, options.direction));
    links.each_edge(label.node, options.direction, [&](const LinkGraph::Edge& edge) {
      const double strength = graph.link(edge.link).strength;
      if (!(strength > 0)) return;
      if (fewest_hops.contains(edge.other) && fewest_hops.at(edge.other) <= label.hops + 1) return;
      open.push({label.cost + 1 / strength, label.hops + 1, edge.other, index, edge.link});
    });
  }
  return Way{};
}

}  // namespace

Result<std::vector<GraphLink>> Reads::path(const Coordinate& from, const Coordinate& to,
                                           const PathOptions& options) const {
  FRACTAL_TRY(from.check());
  FRACTAL_TRY(to.check());
  if (options.max_hops > limits::hops) {
    return make_error(Errc::invalid_argument, "max_hops {} is more than {}", options.max_hops, limits::hops);
  }
  if (!options.type.empty()) FRACTAL_TRY(check_link_type(options.type));
  std::vector<GraphLink> links;
  if (from == to) return links;
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(LinksAt at, LinksAt::make(*database_, look, options.type));
  const auto first = at.node(from.key()), last = at.node(to.key());
  Way way;
  if (first && last) {
    FRACTAL_TRY_INTO(
        way, options.weighted ? least_weight(at, *first, *last, options) : fewest_links(at, *first, *last, options));
  }
  if (!way) {
    return make_error(Errc::not_found, "no path from {} to {} within {} hops", from.to_string(), to.to_string(),
                      options.max_hops);
  }
  for (const std::uint32_t number : *way) {
    FRACTAL_TRY_INTO(auto link, at.whole(number));
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace fractal
