// A number for some of the nodes of a graph. All are forgotten at once, so that a walk costs what it reaches.
#ifndef FRACTAL_SRC_NODE_MARKS_H
#define FRACTAL_SRC_NODE_MARKS_H

#include "src/link_graph.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fractal {

class NodeMarks {
 public:
  using Node = LinkGraph::Node;

  void clear() {
    if (++now_ != 0) return;
    std::fill(marks_.begin(), marks_.end(), Mark{});
    now_ = 1;
  }
  bool contains(Node node) const { return node < marks_.size() && marks_[node].time == now_; }
  std::uint32_t at(Node node) const { return marks_[node].number; }  // of one that is contained
  void set(Node node, std::uint32_t number = 0) {
    if (node >= marks_.size()) marks_.resize(std::max<std::size_t>(node + 1, 2 * marks_.size()));
    marks_[node] = {now_, number};
  }

 private:
  struct Mark {
    std::uint32_t time = 0, number = 0;
  };
  std::vector<Mark> marks_;
  std::uint32_t now_ = 1;
};

}  // namespace fractal

#endif
