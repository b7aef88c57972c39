// The steps of the walk, for one instruction set. graph_walk.cpp includes this once for each, in a namespace of
// its own, so there is no guard. A Kernel has
//   Kernel(rows, query, room)                         `room` for query.codes.stride int16
//   likenesses(rows, batch, count, out)               of batch.nodes; count rounded up to 4 are read and written
//   not_visited(links, length, visited, out)          sets the bits of those, which are clear; room for 16 more in out
//   place(likeness, size, x)                          how many of the falling numbers are x or more

// Falling likenesses, and beside them their nodes; room for 16 more than `capacity`.
struct Pool {
  float* likeness;
  Node* nodes;
  std::size_t capacity;
  std::size_t size = 0;

  // What is not full takes anything.
  HWY_INLINE bool takes(float x) const { return size < capacity || x > likeness[size - 1]; }

  template <class Kernel> HWY_INLINE std::size_t insert(float x, Node node) {
    const std::size_t at = Kernel::place(likeness, size, x);
    if (size < capacity) ++size;
    Kernel::shift(likeness, nodes, at, size);
    likeness[at] = x;
    nodes[at] = node;
    return at;
  }
};

template <class Kernel> class Walk {
 public:
  HWY_INLINE Walk(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Scratch& scratch)
      : graph_(graph),
        rows_(rows),
        query_(query),
        kernel_(rows, query, scratch.widened),
        pool_{scratch.pool_likeness, scratch.pool_nodes, scratch.ef},
        kept_{scratch.kept_likeness, scratch.kept_nodes, scratch.keep},
        batch_(scratch.batch),
        visited_(scratch.visited.data()),
        seen_(scratch.seen.get()),
        most_seen_(scratch.most_seen) {}

  HWY_INLINE void run() {
    begin();
    std::array<Node, expanded_at_once> next{};
    while (seen_count_ + descent_ < query_.most_visited) {
      const std::size_t found = best_unexpanded(next);
      // Only a list that names a row twice could bring more rows than there are.
      if (found == 0 || seen_count_ + expanded_at_once * 2 * graph_.m > most_seen_) break;
      const std::size_t before = seen_count_;
      for (std::size_t i = 0; i < found; ++i) {
        seen_count_ += Kernel::not_visited(graph_.links_of(next[i]), 2 * graph_.m, visited_, seen_ + seen_count_);
      }
      meet(before);
    }
  }

  void finish(Walked& out) const {
    const Pool& found = query_.allowed != nullptr ? kept_ : pool_;
    out.entries.clear();
    for (std::size_t i = 0; i < std::min(found.size, query_.keep); ++i) {
      out.entries.push_back({found.likeness[i], found.nodes[i] & ~expanded});
    }
    sort_ties(out.entries);
    out.in_pool = 0;
    for (std::size_t i = 0; i < pool_.size; ++i) out.in_pool += is_allowed(pool_.nodes[i] & ~expanded) ? 1 : 0;
    out.visited = seen_count_ + descent_;
  }
  std::size_t seen_count() const { return seen_count_; }

 private:
  // Adds the row unless it was visited.
  HWY_INLINE void add(Node node) {
    std::uint32_t& word = visited_[node / 32];
    const std::uint32_t bit = std::uint32_t{1} << (node % 32);
    seen_[seen_count_] = node;
    seen_count_ += (word & bit) == 0;
    word |= bit;
  }

  // The entry itself is always looked at: whatever its links lead to is within reach of each walk.
  HWY_INLINE void begin() {
    const Node nearest = descend();
    add(graph_.entry);
    add(nearest);
    for (const Node node : graph_.unreachable) add(node);
    meet(0);
  }

  // Down the upper levels by single steps to the nearest.
  HWY_INLINE Node descend() {
    if (graph_.levels == 0) return graph_.entry;
    std::uint32_t at = graph_.entry_upper;
    measure(&graph_.entry, 1);
    float best = batch_.likeness[0];
    ++descent_;
    for (unsigned level = graph_.levels; level > 0; --level) {
      for (bool closer = true; closer;) {
        closer = false;
        const std::uint32_t* const links = graph_.upper_links_of(at, level);
        std::size_t count = 0;
        for (; count < graph_.m && links[count] != no_node; ++count) {
          batch_.nodes[count] = graph_.upper_nodes[links[count]];
        }
        measure(batch_.nodes, count);
        descent_ += count;
        for (std::size_t i = 0; i < count; ++i) {
          if (batch_.likeness[i] > best) {
            best = batch_.likeness[i];
            at = links[i];
            closer = true;
          }
        }
      }
    }
    return graph_.upper_nodes[at];
  }

  // Marks the nearest that are not expanded yet as expanded.
  HWY_INLINE std::size_t best_unexpanded(std::array<Node, expanded_at_once>& out) {
    std::size_t found = 0;
    for (; first_unexpanded_ < pool_.size && found < expanded_at_once; ++first_unexpanded_) {
      Node& node = pool_.nodes[first_unexpanded_];
      if ((node & expanded) != 0) continue;
      out[found++] = node;
      node |= expanded;
    }
    return found;
  }

  // To batch_.likeness, rows on their way while addresses are made.
  HWY_INLINE void measure(const Node* nodes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* const row = rows_.row(nodes[i]);
      batch_.rows[i] = row;
      for (std::size_t j = 0; j < rows_.stride; j += 64) to_second_level(row + j);
    }
    for (std::size_t i = count; i % 4 != 0; ++i) batch_.rows[i] = batch_.rows[0];
    kernel_.likenesses(rows_, batch_.rows, nodes, count, batch_.likeness);
  }

  // Takes in what was seen from `from` on.
  HWY_INLINE void meet(std::size_t from) {
    while (from < seen_count_) {
      const std::size_t count = std::min(seen_count_ - from, batch_.size);
      measure(seen_ + from, count);
      for (std::size_t i = 0; i < count; ++i) take(batch_.likeness[i], seen_[from + i]);
      from += count;
    }
  }

  HWY_INLINE bool is_allowed(Node node) const {
    return query_.allowed == nullptr || (query_.allowed[node / 64] >> (node % 64) & 1) != 0;
  }

  HWY_INLINE void take(float x, Node node) {
    if (query_.allowed != nullptr && kept_.takes(x) && is_allowed(node)) { kept_.template insert<Kernel>(x, node); }
    if (!pool_.takes(x)) return;
    const char* const links = reinterpret_cast<const char*>(graph_.links_of(node));
    for (std::size_t j = 0; j < 2 * graph_.m * sizeof(Node); j += 64) to_second_level(links + j);
    first_unexpanded_ = std::min(first_unexpanded_, pool_.template insert<Kernel>(x, node));
  }

  const GraphArrays& graph_;
  const CodeRows& rows_;
  const WalkQuery& query_;
  const Kernel kernel_;
  Pool pool_, kept_;
  const Batch batch_;
  std::uint32_t* const visited_;
  Node* const seen_;
  const std::size_t most_seen_;
  std::size_t seen_count_ = 0, descent_ = 0, first_unexpanded_ = 0;
};

template <class Kernel>
std::size_t walk_by(const GraphArrays& graph, const CodeRows& rows, const WalkQuery& query, Scratch& scratch,
                    Walked& out) {
  Walk<Kernel> walk(graph, rows, query, scratch);
  walk.run();
  walk.finish(out);
  return walk.seen_count();
}
