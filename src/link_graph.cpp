// Invariant: a link put in is in the edges of both its ends, once each; erased it is in neither.
#include "src/link_graph.h"

#include <algorithm>
#include <functional>

namespace fractal {
namespace {
constexpr LinkGraph::Node no_node = ~LinkGraph::Node{0};
}

// Where the key is in the table, or would be.
std::size_t LinkGraph::place_of(std::string_view key) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t place = std::hash<std::string_view>()(key) & mask;
  while (table_[place] != no_node && this->key(table_[place]) != key) place = (place + 1) & mask;
  return place;
}

void LinkGraph::widen_table() {
  table_.assign(std::max<std::size_t>(64, 2 * table_.size()), no_node);
  for (Node node = 0; node < nodes(); ++node) table_[place_of(key(node))] = node;
}

std::optional<LinkGraph::Node> LinkGraph::find(std::string_view key) const {
  if (table_.empty()) return std::nullopt;
  const Node node = table_[place_of(key)];
  return node != no_node ? std::optional(node) : std::nullopt;
}

LinkGraph::Node LinkGraph::node(std::string_view key) {
  if (2 * nodes() >= table_.size()) widen_table();
  const std::size_t place = place_of(key);
  if (table_[place] != no_node) return table_[place];
  const auto node = static_cast<Node>(nodes());
  keys_ += key;
  key_ends_.push_back(keys_.size());
  out_.slices.emplace_back();
  in_.slices.emplace_back();
  return table_[place] = node;
}

std::optional<std::uint32_t> LinkGraph::find_type(std::string_view type) const {
  const auto found = std::find(types_.begin(), types_.end(), type);
  if (found == types_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - types_.begin());
}

void LinkGraph::add_edge(Edges& edges, Node node, Edge edge) {
  Slice& slice = edges.slices[node];
  if (slice.size == slice.room) {
    const std::uint32_t room = std::max<std::uint32_t>(2, 2 * slice.room);
    if (slice.begin + slice.room == edges.edges.size()) {  // the last one grows where it is
      edges.edges.resize(slice.begin + room);
    } else {
      const std::size_t begin = edges.edges.size();
      edges.edges.resize(begin + room);
      std::copy_n(edges.edges.begin() + static_cast<std::ptrdiff_t>(slice.begin), slice.size,
                  edges.edges.begin() + static_cast<std::ptrdiff_t>(begin));
      edges.unused += slice.room;
      slice.begin = begin;
    }
    slice.room = room;
  }
  edges.edges[slice.begin + slice.size++] = edge;
  if (edges.unused > 1024 && edges.unused > edges.edges.size() / 2) pack_edges(edges);
}

void LinkGraph::pack_edges(Edges& edges) {
  std::vector<Edge> packed;
  packed.reserve(edges.edges.size() - edges.unused);
  for (Slice& slice : edges.slices) {
    const auto begin = edges.edges.begin() + static_cast<std::ptrdiff_t>(slice.begin);
    slice.begin = packed.size();
    packed.insert(packed.end(), begin, begin + slice.size);
    slice.room = slice.size;
  }
  edges.edges = std::move(packed);
  edges.unused = 0;
}

void LinkGraph::pack() {
  pack_edges(out_);
  pack_edges(in_);
  keys_.shrink_to_fit();
  links_.shrink_to_fit();
}

void LinkGraph::erase_edge(Edges& edges, Node node, std::uint32_t link) {
  Slice& slice = edges.slices[node];
  const auto begin = edges.edges.begin() + static_cast<std::ptrdiff_t>(slice.begin);
  const auto found = std::find_if(begin, begin + slice.size, [link](const Edge& edge) { return edge.link == link; });
  if (found == begin + slice.size) return;
  std::copy(found + 1, begin + slice.size, found);
  --slice.size;
}

void LinkGraph::add(const LinkRow& row, Ends ends, bool is_whole) {
  const Node from = node(row.from), to = node(row.to);
  auto type = find_type(row.type);
  if (!type) {
    type = static_cast<std::uint32_t>(types_.size());
    types_.push_back(row.type);
  }
  const Link link{row.strength, row.created_at.time_since_epoch().count(), from, to,
                  *type,        is_whole && row.metadata == "{}"};
  auto number = static_cast<std::uint32_t>(links_.size());
  if (free_.empty()) {
    links_.push_back(link);
  } else {
    number = free_.back();
    free_.pop_back();
    links_[number] = link;
  }
  if (ends != Ends::to) add_edge(out_, from, {to, number});
  if (ends != Ends::from) add_edge(in_, to, {from, number});
}

std::optional<std::uint32_t> LinkGraph::find_link(Node from, Node to, std::uint32_t type) const {
  const auto search = [&](std::span<const Edge> edges, Node other) -> std::optional<std::uint32_t> {
    for (const Edge& edge : edges) {
      if (edge.other == other && links_[edge.link].type == type) return edge.link;
    }
    return std::nullopt;
  };
  return outgoing(from).size() <= incoming(to).size() ? search(outgoing(from), to) : search(incoming(to), from);
}

void LinkGraph::put(const LinkRow& row) {
  erase(row.from, row.to, row.type);
  add(row, Ends::both, true);
}

void LinkGraph::erase(std::string_view from, std::string_view to, std::string_view type) {
  const auto from_node = find(from), to_node = find(to);
  const auto type_number = find_type(type);
  if (!from_node || !to_node || !type_number) return;
  const auto number = find_link(*from_node, *to_node, *type_number);
  if (!number) return;
  erase_edge(out_, *from_node, *number);
  erase_edge(in_, *to_node, *number);
  free_.push_back(*number);
}

std::size_t LinkGraph::bytes() const {
  const auto edges = [](const Edges& side) {
    return side.slices.capacity() * sizeof(Slice) + side.edges.capacity() * sizeof(Edge);
  };
  return keys_.capacity() + key_ends_.capacity() * sizeof(std::size_t) + table_.capacity() * sizeof(Node) +
         links_.capacity() * sizeof(Link) + free_.capacity() * sizeof(std::uint32_t) + edges(out_) + edges(in_);
}

}  // namespace fractal
