#include "tests/hnsw/generations.h"

#include "tests/seeded_random.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace fractal::testing {
namespace {

void fill(hnsw::Generation& generation, std::size_t from, std::uint64_t seed) {
  std::vector<float> vector(generation.dimension);
  for (std::size_t row = from; row < generation.rows; ++row) {
    Random random(seed * 1'000'003 + row);
    double square = 0;
    for (float& x : vector) {
      x = static_cast<float>(random.below(2001)) / 1000 - 1.0005f;
      square += static_cast<double>(x) * x;
    }
    const std::size_t block_rows = generation.blocks.front()->capacity;
    generation.blocks[row / block_rows]->write(row % block_rows, first_id(space) + 1 + row * 3, row + 1, vector, square,
                                               generation.metric);
  }
}

hnsw::Generation around(hnsw::Blocks made, const Plan& plan) {
  hnsw::Generation generation;
  generation.space = space;
  generation.number = plan.number;
  generation.sequence = plan.rows;
  generation.rows = plan.rows;
  generation.dimension = plan.dimension;
  generation.metric = plan.metric;
  generation.codes = plan.number % 2 == 0 ? Codes::bit : Codes::int8;
  generation.block_bytes = made.block_bytes;
  generation.blocks = std::move(made.blocks);
  fill(generation, made.filled, plan.seed);
  generation.graph = build_graph(generation);
  return generation;
}

}  // namespace

std::shared_ptr<const hnsw::Graph> build_graph(const hnsw::Generation& generation) {
  const VectorChunk& first = *generation.blocks.front();
  std::vector<float> scales, squares;
  for (std::size_t row = 0; row < generation.rows; ++row) {
    const VectorChunk& block = *generation.blocks[row / first.capacity];
    scales.push_back(block.scales[row % first.capacity]);
    squares.push_back(block.norms[row % first.capacity] * block.norms[row % first.capacity]);
  }
  hnsw::CodeRows rows;
  rows.first = first.codes;
  rows.block_bytes = generation.block_bytes;
  rows.block_bits = static_cast<unsigned>(std::countr_zero(first.capacity));
  rows.stride = first.stride;
  rows.count = generation.rows;
  rows.scales = scales.data();
  rows.squares = generation.metric == Metric::l2 ? squares.data() : nullptr;
  return hnsw::Graph::build(rows, {}).value();
}

hnsw::Generation make_generation(const Plan& plan) {
  return around(hnsw::make_blocks(plan.rows, plan.dimension, plan.block_rows).value(), plan);
}

hnsw::Generation extend(const hnsw::Generation& older, const Plan& plan) {
  return around(hnsw::extend_blocks(older, plan.rows).value(), plan);
}

std::string difference(const hnsw::Generation& a, const hnsw::Generation& b) {
  std::string found;
  const auto differ = [&](bool same, std::string_view what) {
    if (!same) found += fmt::format("{}; ", what);
  };
  differ(a.space == b.space && a.number == b.number && a.sequence == b.sequence, "which generation");
  differ(a.rows == b.rows && a.dimension == b.dimension && a.metric == b.metric && a.codes == b.codes, "shape");
  differ(a.blocks.size() == b.blocks.size() && a.block_bytes == b.block_bytes, "blocks");
  if (!found.empty()) return found;
  for (std::size_t row = 0; row < a.rows; ++row) {
    const std::size_t capacity = a.blocks.front()->capacity, at = row % capacity;
    const VectorChunk &x = *a.blocks[row / capacity], &y = *b.blocks[row / capacity];
    const bool same = std::equal(x.codes + at * x.stride, x.codes + (at + 1) * x.stride, y.codes + at * x.stride) &&
                      std::equal(x.vector(at), x.vector(at) + x.dimension, y.vector(at)) && x.ids[at] == y.ids[at] &&
                      x.born[at] == y.born[at] && x.squares[at] == y.squares[at] && x.scales[at] == y.scales[at] &&
                      x.norms[at] == y.norms[at] && x.errors[at] == y.errors[at] && y.is_alive(at, a.sequence);
    differ(same, fmt::format("row {}", row));
  }
  for (std::size_t i = 0; i < b.blocks.size(); ++i) {
    differ(b.blocks[i]->image() == b.blocks[0]->image() + i * b.block_bytes, fmt::format("place of block {}", i));
  }
  differ(std::ranges::equal(a.graph->image(), b.graph->image()), "graph");
  return found;
}

std::string bytes_of(const std::string& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void put_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::map<std::string, std::string> picture_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = bytes_of(entry.path().string());
  }
  return files;
}

}  // namespace fractal::testing
