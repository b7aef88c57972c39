// What stands in the two files of a generation, and where.
#ifndef FRACTAL_BACKENDS_HNSW_GENERATION_IMAGE_H
#define FRACTAL_BACKENDS_HNSW_GENERATION_IMAGE_H

#include "backends/hnsw/files.h"
#include "backends/hnsw/generation.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::hnsw {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::size_t most_database_bytes = 64;

// Parts of both files begin at multiples of this, so that they can be mapped with pages of any size in use.
inline constexpr std::size_t part_bytes = Region::part;
constexpr std::uint64_t whole_parts(std::uint64_t bytes) { return (bytes + part_bytes - 1) / part_bytes * part_bytes; }

// "<space>-<number>.vectors" and "<space>-<number>.graph".
struct FileName {
  enum class Kind { vectors, graph };
  std::uint64_t space = 0, number = 0;
  Kind kind = Kind::vectors;

  std::string to_string() const;
  static std::optional<FileName> parse(std::string_view name);
};
inline constexpr std::string_view temporary_ending = ".tmp";

// Who may read files may enter their folder.
constexpr unsigned folder_permissions(unsigned of_files) { return of_files | (of_files & 0444) >> 2; }

// What the capacity of blocks may be.
constexpr bool is_block_rows(std::size_t rows) {
  return std::has_single_bit(rows) && rows >= 16 && rows <= VectorChunk::most_rows;
}

// What both files say of the vectors.
struct Shape {
  std::string database{};
  std::uint64_t space = 0;
  std::uint64_t vectors_number = 0;  // of the vector file: of the generation that began it
  std::uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  std::uint32_t block_rows = 0;

  std::uint64_t block_bytes() const;
  friend bool operator==(const Shape&, const Shape&) = default;
};

// A vector file: header of one part, then the full blocks.
std::vector<std::byte> vectors_header(const Shape& shape);
inline constexpr std::uint64_t vectors_header_bytes = part_bytes;

// A graph file: header of header_bytes(), the last block if it is not full, the graph.
struct GenerationHeader {
  Shape shape{};
  std::uint64_t number = 0, sequence = 0, rows = 0;
  GraphParameters parameters{};
  Codes codes = Codes::int8;
  std::uint64_t graph_bytes = 0;
  Hash tail_hash{}, graph_hash{};
  std::vector<Hash> block_hashes{};  // of the full blocks, each with the zeros after it
  std::vector<std::uint32_t> dead{};
  std::vector<Calibration::Step> calibration{};

  std::size_t full_blocks() const { return static_cast<std::size_t>(rows / shape.block_rows); }
  std::size_t tail_rows() const { return static_cast<std::size_t>(rows % shape.block_rows); }
  std::uint64_t tail_bytes() const { return tail_rows() > 0 ? shape.block_bytes() : 0; }
  std::uint64_t header_bytes() const;
  std::uint64_t file_bytes() const { return header_bytes() + tail_bytes() + graph_bytes; }
  std::uint64_t vectors_end() const { return vectors_header_bytes + full_blocks() * shape.block_bytes(); }

  std::vector<std::byte> image() const;
};

// Of a graph file: everything in it is checked against `published`, the file's size, and what makes sense.
Result<GenerationHeader> read_header(const File& file, std::string_view database, std::uint64_t space,
                                     const Published& published);
// Of a vector file: it is the one of this shape.
Result<void> check_vectors_header(const File& file, const Shape& shape);

// A block that is not full as it stands in the file: what is behind its rows is zero.
std::vector<std::byte> tail_image(const VectorChunk& block, std::size_t used, std::size_t block_bytes);
// The image of a full block, without the zeros after it.
std::span<const std::byte> block_image(const VectorChunk& block);

// No value in the first `used` rows can do harm, whatever it is computed with.
Result<void> check_rows(const VectorChunk& block, std::size_t used, std::uint64_t space, std::uint64_t sequence,
                        Metric metric);

}  // namespace fractal::hnsw

#endif
