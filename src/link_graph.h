// Links in memory: who is linked to whom, both ways, with nodes and types as small numbers.
//
// One thread at a time changes it; any number may read meanwhile nothing changes.
#ifndef FRACTAL_SRC_LINK_GRAPH_H
#define FRACTAL_SRC_LINK_GRAPH_H

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {

class LinkGraph {
 public:
  using Node = std::uint32_t;
  struct Edge {
    Node other = 0;
    std::uint32_t link = 0;  // its number
  };
  struct Link {
    double strength = 1;
    std::int64_t created_at = 0;  // microseconds
    Node from = 0, to = 0;
    std::uint32_t type = 0;
    bool whole = false;  // created_at is known, and that there is no metadata
  };

  // A coordinate's node; made if it is new.
  Node node(std::string_view key);
  std::optional<Node> find(std::string_view key) const;
  std::string_view key(Node node) const {
    return std::string_view(keys_).substr(key_ends_[node], key_ends_[node + 1] - key_ends_[node]);
  }
  std::size_t nodes() const { return key_ends_.size() - 1; }
  std::size_t links() const { return links_.size() - free_.size(); }
  std::size_t bytes() const;

  // Of a link that is not there yet. Seen from one end alone it is in the edges of that end only.
  enum class Ends { both, from, to };
  // `is_whole`: all of the row is filled in, not its ends, type and strength alone.
  void add(const LinkRow& row, Ends ends, bool is_whole);
  // Takes the place of the link with these ends and this type, if there is one.
  void put(const LinkRow& row);
  void erase(std::string_view from, std::string_view to, std::string_view type);
  // Gives back the room that many add() leave behind.
  void pack();

  std::span<const Edge> outgoing(Node node) const { return edges_of(out_, node); }
  std::span<const Edge> incoming(Node node) const { return edges_of(in_, node); }
  const Link& link(std::uint32_t number) const { return links_[number]; }
  const std::string& type(std::uint32_t number) const { return types_[number]; }
  // Of all links; none: no link has it.
  std::optional<std::uint32_t> find_type(std::string_view type) const;

 private:
  // The edges of a node lie together in one array of all, with room behind them that doubles when it is full.
  struct Slice {
    std::size_t begin = 0;
    std::uint32_t size = 0, room = 0;
  };
  struct Edges {
    std::vector<Slice> slices{};
    std::vector<Edge> edges{};
    std::size_t unused = 0;  // places that no slice has any more
  };

  static std::span<const Edge> edges_of(const Edges& edges, Node node) {
    const Slice& slice = edges.slices[node];
    return {edges.edges.data() + slice.begin, slice.size};
  }
  static void add_edge(Edges& edges, Node node, Edge edge);
  static void erase_edge(Edges& edges, Node node, std::uint32_t link);
  static void pack_edges(Edges& edges);
  std::optional<std::uint32_t> find_link(Node from, Node to, std::uint32_t type) const;
  std::size_t place_of(std::string_view key) const;
  void widen_table();

  std::string keys_;                      // one behind the other
  std::vector<std::size_t> key_ends_{0};  // where the key of node i begins; where that of node i - 1 ends
  std::vector<Node> table_;               // nodes by the hash of their keys, no_node where there is none
  std::vector<std::string> types_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> free_;  // numbers of links that went
  Edges out_, in_;
};

}  // namespace fractal

#endif
