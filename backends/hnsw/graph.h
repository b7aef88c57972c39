// The frozen graph of one generation: who is near whom among the rows 0..n-1, and the walk over it.
//
// hnswlib builds it (graph_build.cpp); from then on it is a few arrays that never change, in one image that
// a file may hold as it is. HNSW: Malkov and Yashunin, IEEE TPAMI 42(4), 2020.
#ifndef FRACTAL_BACKENDS_HNSW_GRAPH_H
#define FRACTAL_BACKENDS_HNSW_GRAPH_H

#include "src/kernels.h"

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace fractal::hnsw {

// A row of the generation; also its node in the graph.
using Node = std::uint32_t;
inline constexpr Node no_node = ~Node{0};

// What a generation's rows are compared by: blocks of 2^block_bits rows, block_bytes apart. A row is
//   int8      bytes, 128 being zero; padded to kernels::code_block
//   float32   the vector
//   bit       bit j % 8 of byte j / 8 tells whether component j is positive; padded like int8, and behind the
//             last row eight bytes may be read
struct CodeRows {
  const std::uint8_t* first = nullptr;
  std::size_t block_bytes = 0;
  unsigned block_bits = 0;
  std::size_t stride = 0;  // bytes of a row
  std::size_t count = 0;
  // Of each row: what its codes are to be multiplied by; and, for l2 alone (else null), the square of its
  // length.
  const float* scales = nullptr;
  const float* squares = nullptr;
  Codes kind = Codes::int8;

  const std::uint8_t* row(Node node) const {
    const std::size_t mask = (std::size_t{1} << block_bits) - 1;
    return first + (node >> block_bits) * block_bytes + (node & mask) * stride;
  }
};

struct GraphParameters {
  std::uint32_t m = 16;  // links of a node on the upper levels; twice as many on the lowest
  std::uint32_t ef_construction = 200;
};

struct WalkQuery {
  kernels::CodeQuery codes{};  // of the vector
  // The likeness of a row is 2 * scale * row.scale * (query . row) - row.square: greater is nearer. Query are the
  // codes or the vector; the components of a row of bits are 1 and -1.
  float scale = 1;
  std::size_t ef = 64;                         // nodes in the pool of the walk; at least `keep` are
  std::size_t keep = 20;                       // nodes to return
  const std::uint64_t* allowed = nullptr;      // a bit for each node; null: all may be returned
  std::size_t most_visited = ~std::size_t{0};  // no step begins after so many
  const float* vector = nullptr;               // rows of float32 are compared with it, not with the codes
};

struct Walked {
  struct Entry {
    float likeness = 0;
    Node node = no_node;
  };
  std::vector<Entry> entries{};  // of the allowed nodes seen, the `keep` nearest; best first, ties by node
  std::size_t visited = 0;       // distances computed
  std::size_t in_pool = 0;       // allowed nodes among the ef nearest at the end of the walk
};

class Graph {
 public:
  virtual ~Graph() = default;

  struct Build {
    GraphParameters parameters{};
    std::size_t threads = 1;
    // A graph over the first rows of the same (its parameters count, not those above): it is extended.
    const Graph* previous = nullptr;
    // Called by the thread that calls build(), between insertions, with the rows done; false gives up
    // (`unavailable`).
    std::function<bool(std::size_t done)> keep_on{};
  };
  // `rows` are int8 codes. One thread always builds the same graph; extending gives the same as building anew. A
  // builder takes about 20 + 8 * m bytes a row, `rows` not counted, and as much again for the image.
  static Result<std::shared_ptr<const Graph>> build(const CodeRows& rows, const Build& build);

  // Over an image made by build(), of so many rows, at an address that is a multiple of 64; `owner` keeps it
  // in place. Every number in it is checked: corruption otherwise.
  static Result<std::shared_ptr<const Graph>> open(std::span<const std::byte> image, std::size_t rows,
                                                   std::shared_ptr<const void> owner);

  virtual std::span<const std::byte> image() const = 0;
  virtual std::size_t rows() const = 0;
  virtual const GraphParameters& parameters() const = 0;
  // Rows that no walk reaches, rising: a search has to look at each. (Found when it is built; nearly always none.)
  virtual std::span<const Node> unreachable() const = 0;
  // Rows that no walk could ever come to, neither by links nor by that list: none, unless something damaged the image
  // with care. Follows every link.
  virtual std::vector<Node> lost() const = 0;
  // `out` is overwritten; its memory is used again. Unreachable rows are looked at, too. Any thread; a thread keeps
  // some memory for its next walk, a bit a row and 4 bytes for each row visited at once.
  virtual void walk(const CodeRows& rows, const WalkQuery& query, Walked& out) const = 0;
};

}  // namespace fractal::hnsw

#endif
