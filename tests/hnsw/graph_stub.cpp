// Until the graph is there: an image that only says how many rows it is of.
#include "backends/hnsw/graph.h"

#include <cstring>

namespace fractal::hnsw {
namespace {

class Stub : public Graph {
 public:
  std::span<const std::byte> image() const override { return image_; }
  std::size_t rows() const override { return rows_; }
  const GraphParameters& parameters() const override { return parameters_; }
  std::span<const Node> unreachable() const override { return {}; }
  void walk(const CodeRows&, const WalkQuery&, Walked&) const override {}

  std::vector<std::byte> own_{};
  std::span<const std::byte> image_{};
  std::shared_ptr<const void> owner_{};
  std::size_t rows_ = 0;
  GraphParameters parameters_{};
};

}  // namespace

Result<std::shared_ptr<const Graph>> Graph::build(const CodeRows& rows, const Build& build) {
  auto made = std::make_shared<Stub>();
  made->own_.resize(64 + rows.count * 132, std::byte{42});
  std::memcpy(made->own_.data(), &rows.count, sizeof rows.count);
  made->image_ = made->own_;
  made->rows_ = rows.count;
  made->parameters_ = build.parameters;
  return std::shared_ptr<const Graph>(std::move(made));
}

Result<std::shared_ptr<const Graph>> Graph::open(std::span<const std::byte> image, std::size_t rows,
                                                 std::shared_ptr<const void> owner) {
  std::size_t count = 0;
  if (image.size() >= 64) std::memcpy(&count, image.data(), sizeof count);
  if (count != rows || image.size() != 64 + rows * 132) return Error{Errc::corruption, "graph: rows"};
  auto made = std::make_shared<Stub>();
  made->image_ = image;
  made->owner_ = std::move(owner);
  made->rows_ = rows;
  return std::shared_ptr<const Graph>(std::move(made));
}

}  // namespace fractal::hnsw
