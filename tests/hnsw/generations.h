// Small generations for the tests of their files.
#ifndef FRACTAL_TESTS_HNSW_GENERATIONS_H
#define FRACTAL_TESTS_HNSW_GENERATIONS_H

#include "backends/hnsw/files.h"
#include "backends/hnsw/generation.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fractal::testing {

inline constexpr std::uint64_t space = 7;
inline constexpr const char* database = "d3b07384-d9a0-4c9b-8f3e-1c2d3e4f5a6b";
inline constexpr std::size_t part = 65536;  // what everything in the files is a multiple of

struct Plan {
  std::size_t rows = 40;
  std::uint64_t number = 1;
  std::uint64_t seed = 1;  // the same seed and row: the same vector and id
  std::size_t dimension = 8;
  std::size_t block_rows = 16;
  Metric metric = Metric::cosine;
};
// In memory, with the graph that Graph::build makes.
hnsw::Generation make_generation(const Plan& plan);
// With more rows, made as the first were; sharing memory with `older`.
hnsw::Generation extend(const hnsw::Generation& older, const Plan& plan);
std::shared_ptr<const hnsw::Graph> build_graph(const hnsw::Generation& generation);

// Each difference in what readers may look at, in words; empty: none.
std::string difference(const hnsw::Generation& a, const hnsw::Generation& b);

std::string bytes_of(const std::string& path);
void put_bytes(const std::string& path, const std::string& bytes);
// Every file in a folder and its bytes.
std::map<std::string, std::string> picture_of(const std::string& folder);

// A graph with an image of the test's own making.
class ForgedGraph : public hnsw::Graph {
 public:
  ForgedGraph(std::vector<std::byte> image, std::size_t rows, const hnsw::GraphParameters& parameters)
      : image_(std::move(image)), rows_(rows), parameters_(parameters) {}
  std::span<const std::byte> image() const override { return image_; }
  std::size_t rows() const override { return rows_; }
  const hnsw::GraphParameters& parameters() const override { return parameters_; }
  std::span<const hnsw::Node> unreachable() const override { return {}; }
  std::vector<hnsw::Node> lost() const override { return {}; }
  void walk(const hnsw::CodeRows&, const hnsw::WalkQuery&, hnsw::Walked&) const override {}

 private:
  std::vector<std::byte> image_;
  std::size_t rows_;
  hnsw::GraphParameters parameters_;
};

}  // namespace fractal::testing

#endif
