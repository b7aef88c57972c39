// k-hop walks.
// Invariant: each coordinate is expanded once, so the cost is that of the links of the coordinates reached,
// whatever the number of ways to them; and no hop is begun that the page does not need.
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/link_rows.h"
#include "src/validate.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace fractal {
namespace {

struct Reached {
  std::string key;
  LinkRow link;  // from, to, type, strength
  std::size_t hops = 0;
};

// Stronger first; the rest makes the choice independent of the order of rows.
bool leads_better(const LinkRow& left, const LinkRow& right) {
  if (left.strength != right.strength) return left.strength > right.strength;
  if (left.from != right.from) return left.from < right.from;
  if (left.type != right.type) return left.type < right.type;
  return left.to < right.to;
}

class Walk {
 public:
  Walk(const Look& look, std::string start, const NeighborOptions& options)
      : look_(look), options_(options), wanted_(options.offset + options.limit) {
    visited_.insert(start);
    frontier_.push_back(std::move(start));
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
    std::unordered_map<std::string, LinkRow> found;
    FRACTAL_TRY(look_.view().links(frontier_, options_.direction, options_.type, [&](const LinkRow& link) {
      if (options_.direction != Direction::incoming) offer(found, link.to, link.from, link);
      if (options_.direction != Direction::outgoing) offer(found, link.from, link.to, link);
      return true;
    }));
    std::vector<Reached> level;
    level.reserve(found.size());
    for (auto& [key, link] : found) level.push_back({key, std::move(link), hop});
    std::sort(level.begin(), level.end(), [](const Reached& left, const Reached& right) {
      return left.link.strength != right.link.strength ? left.link.strength > right.link.strength
                                                       : left.key < right.key;
    });
    frontier_.clear();
    for (Reached& reached : level) {
      visited_.insert(reached.key);
      frontier_.push_back(reached.key);
      if (reached_.size() < wanted_) reached_.push_back(std::move(reached));
    }
    return {};
  }

  // In direction `both` a link is seen from each end: only the end that was not reached before counts.
  void offer(std::unordered_map<std::string, LinkRow>& found, const std::string& key, const std::string& origin,
             const LinkRow& link) {
    if (visited_.contains(key) || !visited_.contains(origin)) return;
    if (look_.hidden_key(key) || look_.hidden_key(origin)) return;
    const auto [place, is_new] = found.try_emplace(key, link);
    if (!is_new && leads_better(link, place->second)) place->second = link;
  }

  const Look& look_;
  const NeighborOptions& options_;
  const std::size_t wanted_;
  std::unordered_set<std::string> visited_;
  std::vector<std::string> frontier_;
  std::vector<Reached> reached_;
};

}  // namespace

Result<std::vector<Neighbor>> Reads::neighbors(const Coordinate& coordinate, const NeighborOptions& options) const {
  FRACTAL_TRY(coordinate.check());
  if (options.hops == 0 || options.hops > limits::hops) {
    return make_error(Errc::invalid_argument, "hops {} is not in 1..{}", options.hops, limits::hops);
  }
  if (options.limit > limits::top_k || options.offset > limits::top_k - options.limit) {
    return make_error(Errc::invalid_argument, "limit {} + offset {} is more than {}", options.limit, options.offset,
                      limits::top_k);
  }
  if (!options.type.empty()) FRACTAL_TRY(check_link_type(options.type));
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(const auto reached, Walk(look, coordinate.key(), options).run());
  std::vector<Neighbor> neighbors;
  for (std::size_t i = options.offset; i < reached.size(); ++i) {
    const LinkRow& link = reached[i].link;
    FRACTAL_TRY_INTO(const auto whole, look.view().get_link(link.from, link.to, link.type));
    if (!whole) return make_error(Errc::corruption, "neighbors: a link is in one index only; run verify()");
    Neighbor neighbor{.hops = reached[i].hops};
    FRACTAL_TRY_INTO(neighbor.coordinate, Coordinate::from_key(reached[i].key));
    FRACTAL_TRY_INTO(neighbor.link, graph_link(*whole));
    neighbors.push_back(std::move(neighbor));
  }
  return neighbors;
}

}  // namespace fractal
