// The image of a graph: what build() makes, a file holds and the walk reads.
//
// Little-endian; each section begins at a multiple of 64:
//   header        GraphHeader
//   links         rows x 2m uint32: of each row its links on level 0, then no_node
//   upper nodes   uint32, rising: the rows that are on level 1 or above; each has a number in this order
//   upper first   uint32, one more than upper nodes: where a node's lists begin; it has one for each level from 1
//   upper links   lists of m uint32: links on that level, as numbers of upper nodes, then no_node
//   unreachable   uint32, rising: the rows that no walk comes to by links
#ifndef FRACTAL_BACKENDS_HNSW_GRAPH_IMAGE_H
#define FRACTAL_BACKENDS_HNSW_GRAPH_IMAGE_H

#include "backends/hnsw/graph.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace fractal::hnsw {

// Bounds that keep every size and offset far from overflow.
inline constexpr std::uint32_t most_m = 256;
inline constexpr std::uint32_t most_ef_construction = 65'535;
inline constexpr std::size_t most_rows = std::size_t{1} << 31;  // a bit of a node's number is free
inline constexpr unsigned most_levels = 16;                     // above level 0

struct GraphHeader {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t m = 0;
  std::uint32_t ef_construction = 0;
  Node entry = no_node;           // on the highest level; none without rows
  std::uint32_t entry_upper = 0;  // its number among the upper nodes, if there are any
  std::uint32_t levels = 0;       // above level 0
  std::uint64_t rows = 0;
  std::uint64_t upper_nodes = 0;
  std::uint64_t upper_lists = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t bytes = 0;         // of the image
  std::uint64_t reserved[7] = {};  // zero
};
static_assert(sizeof(GraphHeader) == 128);

// The sections of an image, found by the numbers of its header.
struct GraphArrays {
  GraphArrays() = default;
  // Nothing but the header is read.
  explicit GraphArrays(const std::byte* image);

  const Node* links_of(Node node) const { return links + std::size_t{node} * 2 * m; }
  const std::uint32_t* upper_links_of(std::uint32_t upper, unsigned level) const {
    return upper_links + (std::size_t{upper_first[upper]} + level - 1) * m;
  }
  unsigned levels_of(std::uint32_t upper) const { return upper_first[upper + 1] - upper_first[upper]; }

  std::size_t rows = 0;
  std::size_t m = 0;
  Node entry = no_node;
  std::uint32_t entry_upper = 0;
  unsigned levels = 0;
  const Node* links = nullptr;
  std::span<const Node> upper_nodes{};
  const std::uint32_t* upper_first = nullptr;
  const std::uint32_t* upper_links = nullptr;
  std::span<const Node> unreachable{};
};

// Where the sections of an image with these numbers begin, and how long it is.
struct GraphLayout {
  explicit GraphLayout(const GraphHeader& header);
  std::size_t links, upper_nodes, upper_first, upper_links, unreachable, bytes;
};

// An image that is being written: the header's numbers are final, the sections are zero.
class GraphDraft {
 public:
  explicit GraphDraft(GraphHeader header);

  Node* links_of(Node node) { return at<Node>(layout_.links) + std::size_t{node} * 2 * header_.m; }
  Node* upper_nodes() { return at<Node>(layout_.upper_nodes); }
  std::uint32_t* upper_first() { return at<std::uint32_t>(layout_.upper_first); }
  std::uint32_t* upper_list(std::size_t list) { return at<std::uint32_t>(layout_.upper_links) + list * header_.m; }
  Node* unreachable() { return at<Node>(layout_.unreachable); }
  std::shared_ptr<const Graph> finish() &&;

 private:
  struct Free {
    void operator()(std::byte* image) const { ::operator delete (image, std::align_val_t{64}); }
  };
  template <class T> T* at(std::size_t offset) { return reinterpret_cast<T*>(image_.get() + offset); }

  GraphHeader header_;
  GraphLayout layout_;
  std::unique_ptr<std::byte, Free> image_;
};

// The rows that links, given by links_of(node), do not lead to from the entry. Every walk takes in the entry, whatever
// else: so what it leads to is what all walks reach.
template <class LinksOf> std::vector<Node> not_reached(std::size_t rows, Node entry, const LinksOf& links_of) {
  std::vector<bool> reached(rows);
  std::vector<Node> frontier, others;
  const auto reach = [&](Node node) {
    if (!reached[node]) frontier.push_back(node);
    reached[node] = true;
  };
  if (rows > 0) reach(entry);
  while (!frontier.empty()) {
    const Node node = frontier.back();
    frontier.pop_back();
    for (const Node link : links_of(node)) reach(link);
  }
  for (Node node = 0; node < rows; ++node) {
    if (!reached[node]) others.push_back(node);
  }
  return others;
}

// The walk over checked arrays (graph_walk.cpp).
void walk_graph(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Walked& out);

}  // namespace fractal::hnsw

#endif
