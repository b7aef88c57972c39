// Invariant: nothing that has been read is used before its hash was right, and then only after its numbers were
// checked too.
#include "backends/hnsw/generation_image.h"

#include "src/error.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr std::uint64_t worth_a_thread = 16u << 20;

// Calls step(0) to step(count - 1), on two threads; the error of the first that fails.
template <class Step> Result<void> each_of(std::size_t count, bool on_two_threads, Step step) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<std::pair<std::size_t, Error>> failure;
  std::exception_ptr thrown;
  const auto work = [&]() noexcept {
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      try {
        auto done = step(i);
        if (done) continue;
        const std::lock_guard lock(mutex);
        if (!failure || i < failure->first) failure.emplace(i, std::move(done).error());
      } catch (...) {  // no memory
        const std::lock_guard lock(mutex);
        thrown = std::current_exception();
      }
      next.store(count);
    }
  };
  std::thread second;
  if (on_two_threads && std::thread::hardware_concurrency() > 1) {
    try {
      second = std::thread(work);
    } catch (const std::system_error&) {  // none to be had: one does it all
    }
  }
  work();
  if (second.joinable()) second.join();
  if (thrown) std::rethrow_exception(thrown);
  if (failure) return std::move(failure->second);
  return {};
}

// Where the parts of a generation lie in memory.
struct Loaded {
  GenerationHeader header{};
  std::shared_ptr<Region> blocks{};
  std::shared_ptr<Region> graph{};
};

Result<void> load(Region& region, std::size_t at, const File& file, std::uint64_t offset, std::size_t bytes, bool map) {
  if (map) return region.map(at, file, offset, bytes);
  FRACTAL_TRY(region.fill(at, bytes));
  FRACTAL_TRY(file.read(offset, std::span(region.data() + at, bytes)));
  return region.seal(at, bytes);
}

// The full blocks, and right behind them the last one; the graph for itself.
Result<Loaded> load_all(GenerationHeader header, const File& vectors, const File& graph, bool map) {
  FRACTAL_TRY(check_vectors_header(vectors, header.shape));
  FRACTAL_TRY_INTO(const std::uint64_t size, vectors.size());
  if (size < header.vectors_end()) {
    return make_error(Errc::corruption, "{}: {} bytes, at least {} expected", vectors.path(), size,
                      header.vectors_end());
  }
  const std::size_t full = header.vectors_end() - vectors_header_bytes, tail = header.tail_bytes();
  Loaded loaded;
  FRACTAL_TRY_INTO(loaded.blocks, Region::reserve(full + tail));
  FRACTAL_TRY(load(*loaded.blocks, 0, vectors, vectors_header_bytes, full, map));
  FRACTAL_TRY(load(*loaded.blocks, full, graph, header.header_bytes(), tail, map));
  FRACTAL_TRY_INTO(loaded.graph, Region::reserve(std::max<std::uint64_t>(header.graph_bytes, 1)));
  FRACTAL_TRY(load(*loaded.graph, 0, graph, header.header_bytes() + tail, header.graph_bytes, map));
  loaded.header = std::move(header);
  return loaded;
}

std::span<const std::byte> graph_image(const Loaded& loaded) {
  return {loaded.graph->data(), static_cast<std::size_t>(loaded.header.graph_bytes)};
}

// Of the graph, and then of each block; the blocks' rows, too, while they are in the processor's cache.
Result<std::vector<std::shared_ptr<VectorChunk>>> verify(const Loaded& loaded, const std::string& vectors_path,
                                                         const std::string& graph_path) {
  const GenerationHeader& header = loaded.header;
  const std::size_t block_bytes = header.shape.block_bytes(), full = header.full_blocks();
  std::vector<std::shared_ptr<VectorChunk>> blocks(full + (header.tail_rows() > 0 ? 1 : 0));
  const auto step = [&](std::size_t i) -> Result<void> {
    if (i == 0) {
      if (hash_of(graph_image(loaded)) == header.graph_hash) return {};
      return make_error(Errc::corruption, "{}: the graph is damaged", graph_path);
    }
    const std::size_t block = i - 1;
    const std::byte* const image = loaded.blocks->data() + block * block_bytes;
    const std::string& path = block < full ? vectors_path : graph_path;
    if (hash_of({image, block_bytes}) != (block < full ? header.block_hashes[block] : header.tail_hash)) {
      return make_error(Errc::corruption, "{}: block {} is damaged", path, block);
    }
    const std::size_t used = block < full ? header.shape.block_rows : header.tail_rows();
    blocks[block] =
        std::make_shared<VectorChunk>(header.shape.block_rows, header.shape.dimension, used, image, loaded.blocks);
    auto sound = check_rows(*blocks[block], used, header.shape.space, header.sequence, header.shape.metric);
    if (!sound) return within(sound.error(), "{}: block {}", path, block);
    return {};
  };
  const bool large = loaded.blocks->size() + header.graph_bytes >= worth_a_thread;
  FRACTAL_TRY(each_of(blocks.size() + 1, large, step));
  return blocks;
}

}  // namespace

Result<std::shared_ptr<const Generation>> GenerationFolder::read(std::uint64_t space,
                                                                 const Published& published) const {
  const auto vectors_name = FileName::parse(published.vectors), graph_name = FileName::parse(published.graph);
  if (!vectors_name || vectors_name->kind != FileName::Kind::vectors || vectors_name->space != space || !graph_name ||
      graph_name->kind != FileName::Kind::graph || graph_name->space != space) {
    return make_error(Errc::corruption, "\"{}\", \"{}\": not files of a generation of space {}", published.vectors,
                      published.graph, space);
  }
  FRACTAL_TRY_INTO(const File graph_file, File::open_to_read(path(published.graph)));
  FRACTAL_TRY_INTO(GenerationHeader header, read_header(graph_file, database_, space, published));
  FRACTAL_TRY_INTO(const File vectors_file, File::open_to_read(path(published.vectors)));
  FRACTAL_TRY_INTO(Loaded loaded, load_all(std::move(header), vectors_file, graph_file, map_));
  if (map_) {
    loaded.blocks->announce_read();
    loaded.graph->announce_read();
  }
  auto generation = std::make_shared<Generation>();
  FRACTAL_TRY_INTO(generation->blocks, verify(loaded, vectors_file.path(), graph_file.path()));
  const GenerationHeader& known = loaded.header;
  generation->space = space;
  generation->number = known.number;
  generation->sequence = known.sequence;
  generation->rows = known.rows;
  generation->dimension = known.shape.dimension;
  generation->metric = known.shape.metric;
  generation->block_bytes = known.shape.block_bytes();
  if (!map_) generation->own_bytes = loaded.blocks->size() + loaded.graph->size();
  generation->dead = known.dead;
  generation->codes = known.codes;
  generation->calibration = Calibration(known.calibration);
  auto graph = Graph::open(graph_image(loaded), generation->rows, loaded.graph);
  if (!graph) return within(graph.error(), "{}", graph_file.path());
  generation->graph = std::move(*graph);
  const GraphParameters& parameters = generation->graph->parameters();
  if (parameters.m != known.parameters.m || parameters.ef_construction != known.parameters.ef_construction) {
    return make_error(Errc::corruption, "{}: the graph was made with other parameters than its header says",
                      graph_file.path());
  }
  return std::shared_ptr<const Generation>(std::move(generation));
}

}  // namespace fractal::hnsw
