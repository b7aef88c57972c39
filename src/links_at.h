// The links that a walk follows at one moment: those in memory, or what it asks the storage for on its way.
#ifndef FRACTAL_SRC_LINKS_AT_H
#define FRACTAL_SRC_LINKS_AT_H

#include "src/database.h"
#include "src/link_graphs.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fractal {

// One thread. The look must outlive it.
class LinksAt {
 public:
  using Node = LinkGraph::Node;

  static Result<LinksAt> make(const Database& database, const Look& look, const std::string& type);
  LinksAt(LinksAt&&) = default;
  LinksAt& operator=(LinksAt&&) = delete;
  ~LinksAt();

  const LinkGraph& graph() const { return lease_.get() != nullptr ? *lease_.get() : *own_; }
  // Where a walk may begin or end. Nullopt: no link is there.
  std::optional<Node> node(const std::string& key);
  // Has to come before each_edge() of these nodes in this direction.
  Result<void> fetch(std::span<const Node> nodes, Direction direction);
  // visit(edge) of each link of the type that may be walked from the node, whose other end has not expired.
  template <class Visit> void each_edge(Node node, Direction direction, const Visit& visit) const {
    if (hides_ && is_hidden(node)) return;
    if (direction != Direction::incoming) each_of(graph().outgoing(node), visit);
    if (direction != Direction::outgoing) each_of(graph().incoming(node), visit);
  }
  // The whole link, metadata and all.
  Result<GraphLink> whole(std::uint32_t number) const;

  // Stronger first; the rest makes the choice independent of the order of links.
  bool is_better(std::uint32_t left, std::uint32_t right) const;

 private:
  LinksAt(const Look& look, const std::string& type) : look_(look), type_(type), hides_(!look.expired_ids().empty()) {}

  template <class Visit> void each_of(std::span<const LinkGraph::Edge> edges, const Visit& visit) const {
    for (const LinkGraph::Edge& edge : edges) {
      if (only_ && graph().link(edge.link).type != *only_) continue;
      if (hides_ && is_hidden(edge.other)) continue;
      visit(edge);
    }
  }
  bool is_hidden(Node node) const { return look_.hidden_key(graph().key(node)); }

  const Look& look_;
  const std::string& type_;  // empty: every type
  const bool hides_;         // something has expired
  std::shared_ptr<SpaceGraph> space_{};
  SpaceGraph::Lease lease_{};
  std::unique_ptr<LinkGraph> own_{};     // of what was fetched, if there is no lease
  std::vector<std::uint8_t> fetched_{};  // of its nodes, by Direction: 1 outgoing, 2 incoming
  std::optional<std::uint32_t> only_{};  // the type's number, where links of others may be among the edges
  std::uint64_t read_ = 0;
};

}  // namespace fractal

#endif
