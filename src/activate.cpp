// Spreading activation: personalised PageRank, cut off after some hops.
// Invariant: the result does not depend on the order in which links are met: shares are added as whole numbers, and a
// node's strengths in rising order.
#include "src/activate.h"

#include "src/error.h"
#include "src/links_at.h"
#include "src/node_marks.h"
#include "src/validate.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal {
namespace {

using Node = LinkGraph::Node;
// Activation is counted in units of 2^-62: all of it together is 1.
constexpr double units = 4611686018427387904.0;

class Spreading {
 public:
  Spreading(LinksAt& links, std::size_t seeds, const ActivateOptions& options)
      : links_(links),
        options_(options),
        part_(static_cast<std::uint64_t>(units / std::max<double>(1, static_cast<double>(seeds)))) {
    places_.clear();
  }

  void begin(const std::string& key) {
    if (const auto node = links_.node(key)) {
      now_.push_back({*node, part_});
    } else {
      apart_.push_back(key);
    }
  }

  Result<void> run() {
    for (std::size_t hop = 0;; ++hop) {
      // What is not passed on stays.
      for (const Share& share : now_) add(kept_, places_, share.node, stays(share.amount));
      if (hop == options_.hops || now_.empty()) return {};
      FRACTAL_TRY(check_control(options_.control, "activate"));
      FRACTAL_TRY_INTO(now_, spread(now_));
    }
  }

  std::vector<ActiveKey> best() const {
    std::vector<std::pair<std::uint64_t, std::string_view>> found;
    for (const Share& share : kept_) found.emplace_back(share.amount, links_.graph().key(share.node));
    for (const std::string& key : apart_) {
      if (stays(part_) > 0) found.emplace_back(stays(part_), key);
    }
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), options_.limit));
    std::partial_sort(found.begin(), end, found.end(), [](const auto& left, const auto& right) {
      return left.first != right.first ? left.first > right.first : left.second < right.second;
    });
    std::vector<ActiveKey> active;
    for (auto entry = found.begin(); entry != end; ++entry) {
      active.push_back({std::string(entry->second), static_cast<double>(entry->first) / units});
    }
    return active;
  }

 private:
  struct Share {
    Node node = 0;
    std::uint64_t amount = 0;
  };
  std::uint64_t stays(std::uint64_t amount) const {
    return static_cast<std::uint64_t>(static_cast<double>(amount) * (1 - options_.decay));
  }
  static void add(std::vector<Share>& shares, NodeMarks& places, Node node, std::uint64_t amount) {
    if (amount == 0) return;
    if (!places.contains(node)) {
      places.set(node, static_cast<std::uint32_t>(shares.size()));
      shares.push_back({node, 0});
    }
    shares[places.at(node)].amount += amount;
  }

  Result<std::vector<Share>> spread(const std::vector<Share>& now) {
    std::vector<Node> nodes;
    nodes.reserve(now.size());
    for (const Share& share : now) nodes.push_back(share.node);
    FRACTAL_TRY(links_.fetch(nodes, options_.direction));
    next_places_.clear();
    std::vector<Share> next;
    for (const Share& share : now) {
      const double sum = sum_of_strengths(share.node);
      if (!(sum > 0)) continue;
      const double amount = static_cast<double>(share.amount) * options_.decay;
      links_.each_edge(share.node, options_.direction, [&](const LinkGraph::Edge& edge) {
        const double strength = links_.graph().link(edge.link).strength;
        if (strength > 0) add(next, next_places_, edge.other, static_cast<std::uint64_t>(amount * (strength / sum)));
      });
    }
    return next;
  }

  double sum_of_strengths(Node node) {
    strengths_.clear();
    links_.each_edge(node, options_.direction, [&](const LinkGraph::Edge& edge) {
      const double strength = links_.graph().link(edge.link).strength;
      if (strength > 0) strengths_.push_back(strength);
    });
    if (!std::is_sorted(strengths_.begin(), strengths_.end())) std::sort(strengths_.begin(), strengths_.end());
    double sum = 0;
    for (const double strength : strengths_) sum += strength;
    return sum;
  }

  static NodeMarks& marks(int which) {
    thread_local NodeMarks of_thread[2];
    return of_thread[which];
  }

  LinksAt& links_;
  const ActivateOptions& options_;
  NodeMarks &places_ = marks(0), &next_places_ = marks(1);
  const std::uint64_t part_;  // of each seed
  std::vector<Share> now_, kept_;
  std::vector<std::string> apart_;  // seeds that no link knows
  std::vector<double> strengths_;
};

}  // namespace

Result<std::vector<ActiveKey>> most_active(const Database& database, const Look& look,
                                           std::span<const Coordinate> seeds, const ActivateOptions& options) {
  FRACTAL_TRY_INTO(LinksAt links, LinksAt::make(database, look, options.type));
  std::set<std::string> keys;
  for (const Coordinate& seed : seeds) {
    if (std::string key = seed.key(); !look.hidden_key(key)) keys.insert(std::move(key));
  }
  Spreading spreading(links, keys.size(), options);
  for (const std::string& key : keys) spreading.begin(key);
  FRACTAL_TRY(spreading.run());
  return spreading.best();
}

Result<std::vector<Activation>> Reads::activate(std::span<const Coordinate> seeds,
                                                const ActivateOptions& options) const {
  FRACTAL_TRY(check_activation(seeds, options));
  FRACTAL_TRY_INTO(const Look look, database_->look(space_, pinned_, options.control));
  FRACTAL_TRY_INTO(const auto active, most_active(*database_, look, seeds, options));
  std::vector<Activation> activations;
  for (const ActiveKey& entry : active) {
    FRACTAL_TRY_INTO(auto coordinate, Coordinate::from_key(entry.key));
    activations.push_back({std::move(coordinate), entry.amount});
  }
  return activations;
}

}  // namespace fractal
