// Invariant: a header that read_header() returns describes a file of just that size, with just that database and
// generation, and no number in it can lead outside the file or the memory made for it.
#include "backends/hnsw/generation_image.h"

#include "src/error.h"

#include <fractal/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <type_traits>

namespace fractal::hnsw {
namespace {

using Magic = std::array<char, 8>;
constexpr Magic vectors_magic{'F', 'r', 'M', 'm', 'V', 'e', 'c', 's'};
constexpr Magic graph_magic{'F', 'r', 'M', 'm', 'G', 'r', 'p', 'h'};

// As they stand at the beginning of the files, little-endian. Elsewhere the version does not read as it should,
// which is an error like any other version.
struct FileStart {
  Magic magic{};
  std::uint32_t version = 0;
  std::uint32_t header_bytes = 0;
  std::uint64_t space = 0;
  std::uint64_t vectors_number = 0;
  std::uint32_t dimension = 0;
  std::uint32_t metric = 0;
  std::uint32_t block_rows = 0;
  std::uint32_t database_bytes = 0;
  std::uint64_t block_bytes = 0;
  std::array<char, most_database_bytes> database{};
};
struct GraphStart {
  FileStart start{};
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;
  std::uint64_t rows = 0;
  std::uint64_t graph_bytes = 0;
  std::uint32_t m = 0;
  std::uint32_t ef_construction = 0;
  std::uint32_t dead = 0;               // behind the hashes of the blocks: so many rows that are dead,
  std::uint32_t calibration_steps = 0;  // and so many steps,
  std::uint32_t codes = 0;              // measured with these codes
  std::uint32_t zero = 0;
  Hash tail_hash{};
  Hash graph_hash{};
};
static_assert(sizeof(Calibration::Step) == 16 && std::is_trivially_copyable_v<Calibration::Step>);
static_assert(sizeof(FileStart) == 120 && std::is_trivially_copyable_v<FileStart>);
static_assert(sizeof(GraphStart) == 208 && std::is_trivially_copyable_v<GraphStart>);

constexpr std::uint64_t most_graph_rows = no_node;
constexpr std::uint32_t most_calibration_steps = 64;

FileStart start_of(const Shape& shape, const Magic& magic, std::uint64_t header_bytes) {
  FileStart start;
  start.magic = magic;
  start.version = format_version;
  start.header_bytes = static_cast<std::uint32_t>(header_bytes);
  start.space = shape.space;
  start.vectors_number = shape.vectors_number;
  start.dimension = shape.dimension;
  start.metric = static_cast<std::uint32_t>(shape.metric);
  start.block_rows = shape.block_rows;
  start.database_bytes = static_cast<std::uint32_t>(shape.database.size());
  start.block_bytes = shape.block_bytes();
  std::copy(shape.database.begin(), shape.database.end(), start.database.begin());
  return start;
}

// Of whom the file is, before anything else of it is believed.
Result<void> check_owner(const FileStart& start, const Magic& magic, std::string_view database, std::uint64_t space,
                         const std::string& path) {
  if (start.magic != magic) return make_error(Errc::corruption, "{}: not a file of the index", path);
  if (start.version != format_version) {
    return make_error(start.version > format_version ? Errc::unsupported : Errc::corruption,
                      "{}: format version {}, this is {}", path, start.version, format_version);
  }
  if (start.database_bytes > most_database_bytes ||
      std::string_view(start.database.data(), start.database_bytes) != database) {
    return make_error(Errc::corruption, "{}: a file of another database", path);
  }
  if (start.space != space) return make_error(Errc::corruption, "{}: a file of space {}", path, start.space);
  return {};
}

bool is_sound(const FileStart& start) {
  return start.dimension >= 1 && start.dimension <= limits::dimension &&
         start.metric <= static_cast<std::uint32_t>(Metric::l2) && is_block_rows(start.block_rows);
}

GenerationHeader header_of(const GraphStart& image, std::string_view database) {
  GenerationHeader header;
  header.shape = {std::string(database),
                  image.start.space,
                  image.start.vectors_number,
                  image.start.dimension,
                  static_cast<Metric>(image.start.metric),
                  image.start.block_rows};
  header.number = image.number;
  header.sequence = image.sequence;
  header.rows = image.rows;
  header.parameters = {image.m, image.ef_construction};
  header.codes = static_cast<Codes>(image.codes);
  header.graph_bytes = image.graph_bytes;
  header.tail_hash = image.tail_hash;
  header.graph_hash = image.graph_hash;
  return header;
}

// Rising rows, and steps that are numbers.
bool are_sound(const GenerationHeader& header) {
  const auto& dead = header.dead;
  const bool rising = std::adjacent_find(dead.begin(), dead.end(), std::greater_equal<>()) == dead.end();
  const auto is_number = [](float x) { return x >= -1 && x <= 1e12F; };
  return rising && (dead.empty() || dead.back() < header.rows) &&
         std::all_of(header.calibration.begin(), header.calibration.end(), [&](const Calibration::Step& step) {
           return step.ef >= 1 && is_number(step.ef) && is_number(step.recall) && is_number(step.low) &&
                  is_number(step.visited);
         });
}

// Every exponent but that of infinity and NaN, in a loop that the compiler makes wide.
bool all_finite(const float* values, std::size_t count) {
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < count; ++i) {
    seen |= (std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffffu) + 0x00800000u;
  }
  return (seen & 0x80000000u) == 0;
}

}  // namespace

std::string FileName::to_string() const {
  return fmt::format("{}-{}.{}", space, number, kind == Kind::vectors ? "vectors" : "graph");
}

std::optional<FileName> FileName::parse(std::string_view name) {
  FileName found;
  const char* const end = name.data() + name.size();
  const auto space = std::from_chars(name.data(), end, found.space);
  if (space.ec != std::errc() || space.ptr == end || *space.ptr != '-') return std::nullopt;
  const auto number = std::from_chars(space.ptr + 1, end, found.number);
  if (number.ec != std::errc()) return std::nullopt;
  found.kind = std::string_view(number.ptr, static_cast<std::size_t>(end - number.ptr)) == ".graph" ? Kind::graph
                                                                                                    : Kind::vectors;
  if (found.to_string() != name) return std::nullopt;
  return found;
}

std::uint64_t Shape::block_bytes() const { return whole_parts(ChunkLayout(block_rows, dimension).bytes); }

std::vector<std::byte> vectors_header(const Shape& shape) {
  std::vector<std::byte> image(vectors_header_bytes);
  const FileStart start = start_of(shape, vectors_magic, vectors_header_bytes);
  std::memcpy(image.data(), &start, sizeof start);
  return image;
}

std::uint64_t GenerationHeader::header_bytes() const {
  return whole_parts(sizeof(GraphStart) + full_blocks() * sizeof(Hash) + dead.size() * sizeof(std::uint32_t) +
                     calibration.size() * sizeof(Calibration::Step));
}

std::vector<std::byte> GenerationHeader::image() const {
  GraphStart start;
  start.start = start_of(shape, graph_magic, header_bytes());
  start.number = number;
  start.sequence = sequence;
  start.rows = rows;
  start.graph_bytes = graph_bytes;
  start.m = parameters.m;
  start.ef_construction = parameters.ef_construction;
  start.codes = static_cast<std::uint32_t>(codes);
  start.tail_hash = tail_hash;
  start.graph_hash = graph_hash;
  std::vector<std::byte> image(header_bytes());
  start.dead = static_cast<std::uint32_t>(dead.size());
  start.calibration_steps = static_cast<std::uint32_t>(calibration.size());
  std::byte* at = image.data();
  const auto put = [&at](const auto* items, std::size_t count) {
    if (count > 0) std::memcpy(at, items, count * sizeof *items);
    at += count * sizeof *items;
  };
  put(&start, 1);
  put(block_hashes.data(), block_hashes.size());
  put(dead.data(), dead.size());
  put(calibration.data(), calibration.size());
  return image;
}

Result<GenerationHeader> read_header(const File& file, std::string_view database, std::uint64_t space,
                                     const Published& published) {
  const auto damaged = [&](std::string_view what) { return make_error(Errc::corruption, "{}: {}", file.path(), what); };
  FRACTAL_TRY_INTO(const std::uint64_t size, file.size());
  std::vector<std::byte> image(part_bytes);
  FRACTAL_TRY(file.read(0, image));
  GraphStart start;
  std::memcpy(&start, image.data(), sizeof start);
  FRACTAL_TRY(check_owner(start.start, graph_magic, database, space, file.path()));
  const std::uint64_t header_bytes = start.start.header_bytes;
  if (header_bytes < part_bytes || header_bytes % part_bytes != 0 || header_bytes > size) {
    return damaged("its header is damaged");
  }
  image.resize(header_bytes);
  FRACTAL_TRY(file.read(part_bytes, std::span(image).subspan(part_bytes)));
  if (hash_of(image) != published.hash) return damaged("its header is damaged, or of another generation");

  // The hash is no proof against somebody who wants to deceive: no number may lead astray.
  if (!is_sound(start.start) || start.rows == 0 || start.rows > most_graph_rows)
    return damaged("its header is senseless");
  GenerationHeader header = header_of(start, database);
  if (header.full_blocks() > header_bytes / sizeof(Hash) || start.dead > header_bytes / sizeof(std::uint32_t) ||
      start.calibration_steps > most_calibration_steps || start.codes > static_cast<std::uint32_t>(Codes::bit)) {
    return damaged("its header is senseless");
  }
  header.block_hashes.resize(header.full_blocks());
  header.dead.resize(start.dead);
  header.calibration.resize(start.calibration_steps);
  if (header.header_bytes() != header_bytes || header.graph_bytes > size) return damaged("its header is senseless");
  const std::byte* at = image.data() + sizeof start;
  const auto take = [&at](auto& items) {
    if (!items.empty()) std::memcpy(items.data(), at, items.size() * sizeof items.front());
    at += items.size() * sizeof items.front();
  };
  take(header.block_hashes);
  take(header.dead);
  take(header.calibration);
  if (header.image() != image || !are_sound(header)) return damaged("its header is senseless");
  if (header.number != published.number || header.sequence != published.sequence ||
      FileName{space, header.shape.vectors_number, FileName::Kind::vectors}.to_string() != published.vectors) {
    return damaged("of another generation");
  }
  if (header.file_bytes() != size) {
    return make_error(Errc::corruption, "{}: {} bytes, {} expected", file.path(), size, header.file_bytes());
  }
  return header;
}

Result<void> check_vectors_header(const File& file, const Shape& shape) {
  std::vector<std::byte> image(vectors_header_bytes);
  FRACTAL_TRY(file.read(0, image));
  FileStart start;
  std::memcpy(&start, image.data(), sizeof start);
  FRACTAL_TRY(check_owner(start, vectors_magic, shape.database, shape.space, file.path()));
  if (image != vectors_header(shape)) {
    return make_error(Errc::corruption, "{}: its header is damaged, or of other vectors", file.path());
  }
  return {};
}

std::span<const std::byte> block_image(const VectorChunk& block) {
  return {block.image(), ChunkLayout(block.capacity, block.dimension).bytes};
}

std::vector<std::byte> tail_image(const VectorChunk& block, std::size_t used, std::size_t block_bytes) {
  const ChunkLayout layout(block.capacity, block.dimension);
  std::vector<std::byte> image(block_bytes);
  const auto copy = [&](std::size_t offset, std::size_t row_bytes) {
    std::memcpy(image.data() + offset, block.image() + offset, used * row_bytes);
  };
  copy(layout.codes, block.stride);
  copy(layout.vectors, block.dimension * sizeof *block.vectors);
  copy(layout.ids, sizeof *block.ids);
  copy(layout.born, sizeof *block.born);
  copy(layout.squares, sizeof *block.squares);
  copy(layout.scales, sizeof *block.scales);
  copy(layout.norms, sizeof *block.norms);
  copy(layout.errors, sizeof *block.errors);
  return image;
}

Result<void> check_rows(const VectorChunk& block, std::size_t used, std::uint64_t space, std::uint64_t sequence,
                        Metric metric) {
  const auto wrong = [](std::size_t row, std::string_view what) {
    return make_error(Errc::corruption, "row {}: {}", row, what);
  };
  // A code is at most half as long again as its vector. (NaN is within no bounds.)
  const double most = 2 * longest_coded(metric);
  const auto is_term = [most](float x) { return x >= 0 && x <= most; };
  for (std::size_t row = 0; row < used; ++row) {
    const MemoryId id = block.ids[row];
    if (id < first_id(space) || id > last_id(space)) return wrong(row, "an id of another space");
    if (block.born[row] > sequence) return wrong(row, "born after the generation");
    if (!(block.squares[row] > 0) || std::isinf(block.squares[row])) return wrong(row, "length of the vector");
    if (!is_term(block.scales[row]) || !is_term(block.norms[row]) || !(block.errors[row] >= 0)) {
      return wrong(row, "terms of the code");
    }
  }
  if (!all_finite(block.vectors, used * block.dimension)) return make_error(Errc::corruption, "a vector is not finite");
  return {};
}

}  // namespace fractal::hnsw
