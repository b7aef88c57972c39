// Shortest ways: breadth-first from both ends, or Dijkstra's algorithm on 1/strength.
// Invariant: the links returned exist, join end to end, and no allowed way is shorter (or lighter).
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/link_rows.h"
#include "src/validate.h"

#include <algorithm>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace fractal {
namespace {

Direction reversed(Direction direction) {
  if (direction == Direction::both) return direction;
  return direction == Direction::outgoing ? Direction::incoming : Direction::outgoing;
}

// Calls visit(origin, next, link) for each step that the link allows from a coordinate of the frontier.
template <class Visit> void for_each_step(Direction direction, const LinkRow& link, const Visit& visit) {
  if (direction != Direction::incoming) visit(link.from, link.to, link);
  if (direction != Direction::outgoing) visit(link.to, link.from, link);
}

// One end of the search from both ends: what it reached, and by which link.
class Side {
 public:
  Side(const Look& look, std::string start, Direction direction, const std::string& type)
      : look_(look), direction_(direction), type_(type) {
    came_by_.emplace(start, Step{});
    frontier_.push_back(std::move(start));
  }

  struct Step {
    std::string previous;  // empty at the start
    LinkRow link;
    std::size_t level = 0;
  };

  bool exhausted() const { return frontier_.empty(); }
  std::size_t width() const { return frontier_.size(); }
  std::size_t level() const { return level_; }
  const std::vector<std::string>& frontier() const { return frontier_; }
  const Step* step(const std::string& key) const {
    const auto found = came_by_.find(key);
    return found == came_by_.end() ? nullptr : &found->second;
  }

  Result<void> expand() {
    ++level_;
    std::vector<std::string> next;
    FRACTAL_TRY(look_.view().links(frontier_, direction_, type_, [&](const LinkRow& link) {
      for_each_step(direction_, link, [&](const std::string& origin, const std::string& key, const LinkRow& by) {
        offer(origin, key, by, next);
      });
      return true;
    }));
    frontier_ = std::move(next);
    return {};
  }

 private:
  void offer(const std::string& origin, const std::string& key, const LinkRow& by, std::vector<std::string>& next) {
    const Step* from = step(origin);
    if (from == nullptr || from->level != level_ - 1 || look_.hidden_key(key) || look_.hidden_key(origin)) return;
    const auto [place, is_new] = came_by_.try_emplace(key, Step{origin, by, level_});
    Step& step = place->second;
    if (is_new) {
      next.push_back(key);
    } else if (step.level == level_ && better(by, origin, step)) {
      step = {origin, by, level_};
    }
  }

  static bool better(const LinkRow& by, const std::string& origin, const Step& step) {
    if (by.strength != step.link.strength) return by.strength > step.link.strength;
    return std::tie(origin, by.type, by.from) < std::tie(step.previous, step.link.type, step.link.from);
  }

  const Look& look_;
  const Direction direction_;
  const std::string& type_;
  std::unordered_map<std::string, Step> came_by_;
  std::vector<std::string> frontier_;
  std::size_t level_ = 0;
};

using Way = std::optional<std::vector<LinkRow>>;

Way join(const Side& front, const Side& back, std::string meeting) {
  std::vector<LinkRow> links;
  std::string key = meeting;
  for (const auto* step = front.step(key); !step->previous.empty(); step = front.step(key)) {
    links.push_back(step->link);
    key = step->previous;
  }
  std::reverse(links.begin(), links.end());
  key = std::move(meeting);
  for (const auto* step = back.step(key); !step->previous.empty(); step = back.step(key)) {
    links.push_back(step->link);
    key = step->previous;
  }
  return links;
}

Result<Way> fewest_links(const Look& look, const std::string& from, const std::string& to, const PathOptions& options) {
  Side front(look, from, options.direction, options.type);
  Side back(look, to, reversed(options.direction), options.type);
  while (!front.exhausted() && !back.exhausted() && front.level() + back.level() < options.max_hops) {
    FRACTAL_TRY(check_control(options.control, "path"));
    Side& side = front.width() <= back.width() ? front : back;
    const Side& other = &side == &front ? back : front;
    FRACTAL_TRY(side.expand());
    const std::string* meeting = nullptr;
    for (const std::string& key : side.frontier()) {
      if (other.step(key) != nullptr && (meeting == nullptr || key < *meeting)) meeting = &key;
    }
    if (meeting != nullptr) return join(front, back, *meeting);
  }
  return Way{};
}

// A way to a coordinate: labels are settled in order of cost, so a later one is of use only with fewer hops.
struct Label {
  double cost;
  std::size_t hops;
  std::string key;
  std::size_t settled;  // index of the label it comes from
  LinkRow link;
  friend bool operator>(const Label& left, const Label& right) {
    return std::tie(left.cost, left.hops, left.key, left.link.from, left.link.type) >
           std::tie(right.cost, right.hops, right.key, right.link.from, right.link.type);
  }
};

std::vector<LinkRow> trace(const std::vector<Label>& settled, std::size_t last) {
  std::vector<LinkRow> links;
  for (std::size_t i = last; settled[i].hops != 0; i = settled[i].settled) links.push_back(settled[i].link);
  std::reverse(links.begin(), links.end());
  return links;
}

Result<Way> least_weight(const Look& look, const std::string& from, const std::string& to, const PathOptions& options) {
  std::priority_queue<Label, std::vector<Label>, std::greater<>> open;
  std::vector<Label> settled;
  std::unordered_map<std::string, std::size_t> fewest_hops;
  open.push({0, 0, from, 0, {}});
  while (!open.empty()) {
    FRACTAL_TRY(check_control(options.control, "path"));
    const Label label = open.top();
    open.pop();
    const auto known = fewest_hops.find(label.key);
    if (known != fewest_hops.end() && known->second <= label.hops) continue;
    fewest_hops[label.key] = label.hops;
    const std::size_t index = settled.size();
    settled.push_back(label);
    if (label.key == to) return Way(trace(settled, index));
    if (label.hops == options.max_hops) continue;
    const std::string frontier[] = {label.key};
    FRACTAL_TRY(look.view().links(frontier, options.direction, options.type, [&](const LinkRow& link) {
      if (!(link.strength > 0)) return true;
      for_each_step(options.direction, link, [&](const std::string& origin, const std::string& key, const LinkRow& by) {
        if (origin != label.key || look.hidden_key(key) || look.hidden_key(origin)) return;
        const auto best = fewest_hops.find(key);
        if (best != fewest_hops.end() && best->second <= label.hops + 1) return;
        open.push({label.cost + 1 / by.strength, label.hops + 1, key, index, by});
      });
      return true;
    }));
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
  FRACTAL_TRY_INTO(const Way way, options.weighted ? least_weight(look, from.key(), to.key(), options)
                                                   : fewest_links(look, from.key(), to.key(), options));
  if (!way) {
    return make_error(Errc::not_found, "no path from {} to {} within {} hops", from.to_string(), to.to_string(),
                      options.max_hops);
  }
  for (const LinkRow& row : *way) {
    FRACTAL_TRY_INTO(const auto whole, look.view().get_link(row.from, row.to, row.type));
    if (!whole) return make_error(Errc::corruption, "path: a link is in one index only; run verify()");
    FRACTAL_TRY_INTO(auto link, graph_link(*whole));
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace fractal
