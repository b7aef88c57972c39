// Invariant: a graph made by open() has no number that leads a walk out of its arrays, whatever bytes it was given.
#include "graph_image.h"

#include "src/error.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr std::uint64_t graph_magic = 0x3148504152475246;  // "FRGRAPH1"
constexpr std::uint32_t graph_version = 1;

GraphHeader header_of(const std::byte* image) {
  GraphHeader header;
  std::memcpy(&header, image, sizeof header);
  return header;
}

class ImageGraph : public Graph {
 public:
  ImageGraph(std::span<const std::byte> image, std::shared_ptr<const void> owner)
      : image_(image), owner_(std::move(owner)), arrays_(image.data()) {
    const GraphHeader header = header_of(image.data());
    parameters_ = {header.m, header.ef_construction};
  }

  std::span<const std::byte> image() const override { return image_; }
  std::size_t rows() const override { return arrays_.rows; }
  const GraphParameters& parameters() const override { return parameters_; }
  std::span<const Node> unreachable() const override { return arrays_.unreachable; }
  std::vector<Node> lost() const override {
    std::vector<Node> rows = not_reached(arrays_.rows, arrays_.entry, [this](Node node) {
      const Node* const links = arrays_.links_of(node);
      return std::span(links, std::find(links, links + 2 * arrays_.m, no_node));
    });
    std::erase_if(rows, [this](Node node) {
      return std::binary_search(arrays_.unreachable.begin(), arrays_.unreachable.end(), node);
    });
    return rows;
  }
  void walk(const CodeRows& rows, const WalkQuery& query, Walked& out) const override {
    walk_graph(arrays_, rows, query, out);
  }

 private:
  std::span<const std::byte> image_;
  std::shared_ptr<const void> owner_;
  GraphArrays arrays_;
  GraphParameters parameters_;
};

template <class... Args> Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Errc::corruption, "graph: {}", fmt::format(format, std::forward<Args>(args)...));
}

bool sensible(const GraphHeader& header) {
  const bool sizes = header.m >= 2 && header.m <= most_m && header.ef_construction <= most_ef_construction &&
                     header.rows <= most_rows && header.upper_nodes <= header.rows &&
                     header.upper_lists >= header.upper_nodes &&
                     header.upper_lists <= header.upper_nodes * most_levels && header.levels <= most_levels &&
                     header.unreachable <= header.rows;
  const bool entry = header.rows == 0 ? header.entry == no_node : header.entry < header.rows;
  const bool upper = header.upper_nodes == 0 ? header.levels == 0 && header.entry_upper == 0
                                             : header.levels > 0 && header.entry_upper < header.upper_nodes;
  const bool zeros = std::all_of(std::begin(header.reserved), std::end(header.reserved),
                                 [](std::uint64_t number) { return number == 0; });
  return sizes && entry && upper && zeros;
}

// Each list is numbers below `bound`, then no_node. Without a branch, so that it takes a few ms for 100,000 rows.
bool lists_hold(const std::uint32_t* links, std::size_t lists, std::size_t length, std::uint32_t bound) {
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < lists; ++i, links += length) {
    for (std::size_t j = 0; j < length; ++j) {
      wrong |= static_cast<std::uint32_t>((links[j] >= bound) & (links[j] != no_node));
    }
    for (std::size_t j = 0; j + 1 < length; ++j) {
      wrong |= static_cast<std::uint32_t>((links[j] == no_node) & (links[j + 1] != no_node));
    }
  }
  return wrong == 0;
}

bool rising(std::span<const Node> nodes, std::size_t bound) {
  return std::adjacent_find(nodes.begin(), nodes.end(), std::greater_equal<>()) == nodes.end() &&
         (nodes.empty() || nodes.back() < bound);
}

// A link on a level leads to a node that is on it.
bool levels_hold(const GraphArrays& graph) {
  for (std::uint32_t upper = 0; upper < graph.upper_nodes.size(); ++upper) {
    for (unsigned level = 1; level <= graph.levels_of(upper); ++level) {
      const std::uint32_t* const links = graph.upper_links_of(upper, level);
      for (std::size_t j = 0; j < graph.m && links[j] != no_node; ++j) {
        if (graph.levels_of(links[j]) < level) return false;
      }
    }
  }
  return true;
}

Result<void> check_upper_levels(const GraphArrays& graph, std::size_t lists) {
  const std::size_t nodes = graph.upper_nodes.size();
  if (!rising(graph.upper_nodes, graph.rows)) return corrupt("the nodes of the upper levels are not rising");
  if (graph.upper_first[0] != 0 || graph.upper_first[nodes] != lists) return corrupt("upper lists are not counted");
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::uint32_t first = graph.upper_first[i], next = graph.upper_first[i + 1];
    if (next <= first || next - first > graph.levels) return corrupt("upper node {} has no levels", i);
  }
  if (!lists_hold(graph.upper_links, lists, graph.m, static_cast<std::uint32_t>(nodes)) || !levels_hold(graph)) {
    return corrupt("a link of an upper level leads nowhere");
  }
  if (nodes > 0 &&
      (graph.upper_nodes[graph.entry_upper] != graph.entry || graph.levels_of(graph.entry_upper) != graph.levels)) {
    return corrupt("the entry is not on the highest level");
  }
  return {};
}

}  // namespace

GraphLayout::GraphLayout(const GraphHeader& header) {
  std::size_t end = sizeof header;
  const auto place = [&end](std::size_t numbers) {
    const std::size_t begin = end;
    end += (numbers * sizeof(std::uint32_t) + 63) / 64 * 64;
    return begin;
  };
  links = place(header.rows * 2 * header.m);
  upper_nodes = place(header.upper_nodes);
  upper_first = place(header.upper_nodes + 1);
  upper_links = place(header.upper_lists * header.m);
  unreachable = place(header.unreachable);
  bytes = end;
}

GraphArrays::GraphArrays(const std::byte* image) {
  const GraphHeader header = header_of(image);
  const GraphLayout layout(header);
  const auto numbers = [image](std::size_t offset) { return reinterpret_cast<const std::uint32_t*>(image + offset); };
  rows = header.rows;
  m = header.m;
  entry = header.entry;
  entry_upper = header.entry_upper;
  levels = header.levels;
  links = numbers(layout.links);
  upper_nodes = {numbers(layout.upper_nodes), header.upper_nodes};
  upper_first = numbers(layout.upper_first);
  upper_links = numbers(layout.upper_links);
  unreachable = {numbers(layout.unreachable), header.unreachable};
}

GraphDraft::GraphDraft(GraphHeader header) : header_(header), layout_(header) {
  header_.magic = graph_magic;
  header_.version = graph_version;
  header_.bytes = layout_.bytes;
  image_.reset(static_cast<std::byte*>(::operator new (layout_.bytes, std::align_val_t{64})));
  std::memset(image_.get(), 0, layout_.bytes);
  std::memcpy(image_.get(), &header_, sizeof header_);
}

std::shared_ptr<const Graph> GraphDraft::finish() && {
  const std::span<const std::byte> image(image_.get(), layout_.bytes);
  return std::make_shared<ImageGraph>(image, std::shared_ptr<const void>(std::move(image_)));
}

Result<std::shared_ptr<const Graph>> Graph::open(std::span<const std::byte> image, std::size_t rows,
                                                 std::shared_ptr<const void> owner) {
  static_assert(std::endian::native == std::endian::little);
  if (reinterpret_cast<std::uintptr_t>(image.data()) % 64 != 0) return corrupt("not at a multiple of 64");
  if (image.size() < sizeof(GraphHeader)) return corrupt("{} bytes are no header", image.size());
  const GraphHeader header = header_of(image.data());
  if (header.magic != graph_magic) return corrupt("not a graph");
  if (header.version != graph_version) return corrupt("version {} is not known", header.version);
  if (!sensible(header)) return corrupt("the header's numbers do not fit each other");
  if (header.rows != rows) return corrupt("it has {} rows, expected are {}", header.rows, rows);
  const std::size_t bytes = GraphLayout(header).bytes;
  if (header.bytes != bytes || image.size() != bytes) return corrupt("{} bytes, expected are {}", image.size(), bytes);
  const GraphArrays graph(image.data());
  if (!lists_hold(graph.links, graph.rows, 2 * graph.m, static_cast<std::uint32_t>(graph.rows))) {
    return corrupt("a link leads to no row");
  }
  FRACTAL_TRY(check_upper_levels(graph, header.upper_lists));
  if (!rising(graph.unreachable, graph.rows)) return corrupt("the unreachable rows are not rising");
  return std::static_pointer_cast<const Graph>(std::make_shared<ImageGraph>(image, std::move(owner)));
}

}  // namespace fractal::hnsw
