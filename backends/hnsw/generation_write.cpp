// Invariant: a byte that a published generation covers is never written, moved or cut off, whatever fails and wherever
// the process ends. A vector file is appended to only if it ends where `older` ends: what is beyond may be
// covered by a generation that this process does not know of, and mapped by others; then a new file is begun.
#include "backends/hnsw/generation_image.h"

#include "src/error.h"

#include <algorithm>
#include <array>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr std::size_t most_at_once = 8u << 20;        // between two questions whether to go on
constexpr std::uint64_t most_unsynced = 32u << 20;    // so that no sync takes long
constexpr std::array<std::byte, part_bytes> zeros{};  // behind the image of a block

using KeepOn = std::function<bool()>;

Result<void> ask(const KeepOn& keep_on) {
  if (keep_on && !keep_on()) return make_error(Errc::unavailable, "writing a generation: given up as asked");
  return {};
}

// A file from its present end on.
class Writer {
 public:
  Writer(File file, std::uint64_t end, const KeepOn& keep_on)
      : file_(std::move(file)), end_(end), synced_(end), keep_on_(keep_on) {}

  Result<void> append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      FRACTAL_TRY(ask(keep_on_));
      const auto part = bytes.first(std::min(bytes.size(), most_at_once));
      FRACTAL_TRY(file_.write(end_, part));
      end_ += part.size();
      bytes = bytes.subspan(part.size());
      if (end_ - synced_ >= most_unsynced) FRACTAL_TRY(sync());
    }
    return {};
  }
  Result<void> append_block(const VectorChunk& block, std::uint64_t block_bytes) {
    const auto image = block_image(block);
    FRACTAL_TRY(append(image));
    return append(std::span(zeros).first(block_bytes - image.size()));
  }
  Result<void> sync() {
    synced_ = end_;
    return file_.sync();
  }
  Result<void> cut(std::uint64_t end) { return file_.truncate(end); }

 private:
  File file_;
  std::uint64_t end_, synced_;
  const KeepOn& keep_on_;
};

// What has been done to the folder. Undone when it goes, unless kept.
class Changes {
 public:
  Changes() = default;
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;
  ~Changes() {
    if (kept_) return;
    for (const std::string& path : made_) static_cast<void>(remove_file(path));
    if (appended_) static_cast<void>(appended_->cut(end_));
  }
  void keep() { kept_ = true; }

  Result<Writer*> create(const std::string& path, unsigned permissions, const KeepOn& keep_on) {
    made_.push_back(path + std::string(temporary_ending));
    FRACTAL_TRY_INTO(File file, File::create(made_.back(), permissions));
    created_.push_back(std::make_unique<Writer>(std::move(file), 0, keep_on));
    return created_.back().get();
  }
  Writer* append(File file, std::uint64_t end, const KeepOn& keep_on) {
    end_ = end;
    appended_ = std::make_unique<Writer>(std::move(file), end, keep_on);
    return appended_.get();
  }
  Result<void> name(const std::string& path) {
    FRACTAL_TRY(rename_file(path + std::string(temporary_ending), path));
    made_.push_back(path);
    return {};
  }

 private:
  std::vector<std::string> made_;
  std::vector<std::unique_ptr<Writer>> created_;
  std::unique_ptr<Writer> appended_;
  std::uint64_t end_ = 0;
  bool kept_ = false;
};

Result<void> check(const Generation& generation, std::string_view database) {
  const auto refuse = [](std::string_view what) {
    return make_error(Errc::invalid_argument, "writing a generation: {}", what);
  };
  if (database.empty() || database.size() > most_database_bytes)
    return refuse("the database's id is not 1 to 64 bytes");
  if (generation.rows == 0 || generation.blocks.empty() || !generation.graph) return refuse("it is empty");
  const std::size_t block_rows = generation.blocks.front()->capacity;
  const bool fits = std::all_of(generation.blocks.begin(), generation.blocks.end(), [&](const auto& block) {
    return block->capacity == block_rows && block->dimension == generation.dimension;
  });
  if (!fits || !is_block_rows(block_rows) ||
      generation.blocks.size() != (generation.rows + block_rows - 1) / block_rows ||
      generation.graph->rows() != generation.rows) {
    return refuse("its blocks, its graph and its rows do not fit together");
  }
  return {};
}

// All of the header but whose vector file it is.
Result<GenerationHeader> describe(const Generation& generation, const std::string& database,
                                  std::span<const std::byte> tail, const KeepOn& keep_on) {
  GenerationHeader header;
  header.shape = {database,          generation.space,
                  generation.number, static_cast<std::uint32_t>(generation.dimension),
                  generation.metric, static_cast<std::uint32_t>(generation.blocks.front()->capacity)};
  header.number = generation.number;
  header.sequence = generation.sequence;
  header.rows = generation.rows;
  header.parameters = generation.graph->parameters();
  header.codes = generation.codes;
  const auto graph = generation.graph->image();
  header.graph_bytes = graph.size();
  header.dead = generation.dead;
  header.calibration.assign(generation.calibration.steps().begin(), generation.calibration.steps().end());
  header.graph_hash = hash_of(graph);
  if (!tail.empty()) header.tail_hash = hash_of(tail);
  for (std::size_t i = 0; i < header.full_blocks(); ++i) {
    FRACTAL_TRY(ask(keep_on));
    const auto image = block_image(*generation.blocks[i]);
    header.block_hashes.push_back(hash_of(image, header.shape.block_bytes() - image.size()));
  }
  return header;
}

// An older generation whose vector file can be continued.
struct Continued {
  GenerationHeader header;
  File vectors;
};

// Any reason not to is a reason to begin a new file, even that the older one is damaged.
std::optional<Continued> continue_file(const std::string& folder, const GenerationHeader& header,
                                       const Published& older) {
  const auto graph = File::open_to_read(folder + "/" + older.graph);
  if (!graph) return std::nullopt;
  auto before = read_header(*graph, header.shape.database, header.shape.space, older);
  if (!before) return std::nullopt;
  Shape shape = header.shape;
  shape.vectors_number = before->shape.vectors_number;
  const auto& hashes = before->block_hashes;
  if (before->shape != shape || hashes.size() > header.block_hashes.size() ||
      !std::equal(hashes.begin(), hashes.end(), header.block_hashes.begin())) {
    return std::nullopt;
  }
  auto vectors = File::open_to_write(folder + "/" + older.vectors);
  if (!vectors || !check_vectors_header(*vectors, shape)) return std::nullopt;
  if (vectors->size().value_or(0) != before->vectors_end()) return std::nullopt;
  return Continued{std::move(*before), std::move(*vectors)};
}

// A disk that is known to be too small is not filled first.
Result<void> check_space(const std::string& folder, std::uint64_t bytes) {
  const auto available = free_bytes(folder);
  if (!available || *available >= bytes) return {};
  return make_error(Errc::io, "{}: a generation of the index needs {} bytes, {} are free", folder, bytes, *available);
}

Result<void> write_blocks(Writer& writer, const Generation& generation, const GenerationHeader& header,
                          std::size_t from) {
  for (std::size_t i = from; i < header.full_blocks(); ++i) {
    FRACTAL_TRY(writer.append_block(*generation.blocks[i], header.shape.block_bytes()));
  }
  return writer.sync();
}

// Of a vector file what is not there yet: all, or the blocks after those of `continued`.
Result<void> write_vectors(Changes& changes, const std::string& path, unsigned permissions,
                           std::optional<Continued> continued, const Generation& generation,
                           const GenerationHeader& header, const KeepOn& keep_on) {
  if (!continued) {
    FRACTAL_TRY_INTO(Writer* const writer, changes.create(path, permissions, keep_on));
    FRACTAL_TRY(writer->append(vectors_header(header.shape)));
    FRACTAL_TRY(write_blocks(*writer, generation, header, 0));
    return changes.name(path);
  }
  const std::size_t there = continued->header.full_blocks();
  if (there == header.full_blocks()) return {};
  Writer* const writer = changes.append(std::move(continued->vectors), continued->header.vectors_end(), keep_on);
  return write_blocks(*writer, generation, header, there);
}

Result<void> write_graph(Changes& changes, const std::string& path, unsigned permissions,
                         std::span<const std::byte> header, std::span<const std::byte> tail, const Graph& graph,
                         const KeepOn& keep_on) {
  FRACTAL_TRY_INTO(Writer* const writer, changes.create(path, permissions, keep_on));
  for (const auto part : {header, tail, graph.image()}) FRACTAL_TRY(writer->append(part));
  FRACTAL_TRY(writer->sync());
  return changes.name(path);
}

// The last block, if it is not full.
std::vector<std::byte> tail_of(const Generation& generation) {
  const VectorChunk& last = *generation.blocks.back();
  const std::size_t used = generation.rows % last.capacity;
  return used > 0 ? tail_image(last, used, whole_parts(block_image(last).size())) : std::vector<std::byte>();
}

}  // namespace

Result<Published> GenerationFolder::write(const Generation& generation, const Published* older,
                                          const std::function<bool()>& keep_on) {
  FRACTAL_TRY(check(generation, database_));
  FRACTAL_TRY(make_folder(folder_, folder_permissions(permissions_)));
  const auto tail = tail_of(generation);
  FRACTAL_TRY_INTO(GenerationHeader header, describe(generation, database_, tail, keep_on));
  auto continued = older != nullptr ? continue_file(folder_, header, *older) : std::nullopt;
  if (continued) header.shape.vectors_number = continued->header.shape.vectors_number;
  const std::size_t there = continued ? continued->header.full_blocks() : 0;
  FRACTAL_TRY(check_space(folder_, header.file_bytes() + (header.full_blocks() - there) * header.shape.block_bytes()));

  const auto image = header.image();
  Published published{generation.number, generation.sequence,
                      FileName{generation.space, header.shape.vectors_number, FileName::Kind::vectors}.to_string(),
                      FileName{generation.space, generation.number, FileName::Kind::graph}.to_string(), hash_of(image)};
  Changes changes;
  FRACTAL_TRY(
      write_vectors(changes, path(published.vectors), permissions_, std::move(continued), generation, header, keep_on));
  FRACTAL_TRY(write_graph(changes, path(published.graph), permissions_, image, tail, *generation.graph, keep_on));
  FRACTAL_TRY(sync_folder(folder_));
  changes.keep();
  return published;
}

}  // namespace fractal::hnsw
