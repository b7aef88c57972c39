// The files of a generation: the rows' vectors and codes, and the graph over them.
//
// Per space two kinds of files in the folder of the database's index (docs/file_format.md has every field):
//   <space>-<n>.vectors   full blocks of rows, each the image of a VectorChunk; appended to, never changed
//   <space>-<g>.graph     of one generation: the header, the last block (if it is not full), the graph
// What makes a generation valid is the row that the database publishes, `Published`, and it is published
// last: temporary file, checked writes, fsync, rename, fsync of the folder, row.
#ifndef FRACTAL_BACKENDS_HNSW_GENERATION_H
#define FRACTAL_BACKENDS_HNSW_GENERATION_H

#include "backends/hnsw/calibration.h"
#include "backends/hnsw/graph.h"
#include "backends/hnsw/hash.h"
#include "src/vector_chunk.h"

#include <fractal/backend.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::hnsw {

// What the database's row says of one generation.
struct Published {
  std::uint64_t number = 0;    // rising within the space
  std::uint64_t sequence = 0;  // the rows are those alive as of it
  std::string vectors{};       // file names within the folder
  std::string graph{};
  Hash hash{};  // of the graph file's header, which holds the hashes of all else

  std::string to_string() const;
  // corruption: it is not what to_string() makes.
  static Result<Published> parse(std::string_view text);

  friend bool operator==(const Published&, const Published&) = default;
};

// What a generation holds. Blocks have the same capacity, a power of two (VectorChunk::block_rows, but for tests);
// all are full but the last, and they lie in memory one after the other, block_bytes apart. Each block and
// the graph own the memory they lie in, together with the others; so they may be kept for themselves.
struct Generation {
  std::uint64_t space = 0;
  std::uint64_t number = 0, sequence = 0;
  std::size_t rows = 0, dimension = 0;
  Metric metric = Metric::cosine;
  Codes codes = Codes::int8;  // of walks; what the calibration holds for
  std::vector<std::shared_ptr<VectorChunk>> blocks{};
  std::size_t block_bytes = 0;
  std::size_t own_bytes = 0;          // of memory that no file holds, of the blocks
  std::vector<std::uint32_t> dead{};  // rows that are not alive as of the sequence, rising
  std::shared_ptr<const Graph> graph{};
  Calibration calibration{};
};
// Blocks for the rows of a generation to come, placed as Generation wants them.
struct Blocks {
  std::vector<std::shared_ptr<VectorChunk>> blocks{};  // each owns the memory of all
  std::size_t block_bytes = 0;
  std::size_t filled = 0;  // rows at the front that are there, and must not be written
};

// Empty blocks for so many rows, in memory of their own, to be filled by VectorChunk::write or copy.
Result<Blocks> make_blocks(std::size_t rows, std::size_t dimension, std::size_t block_rows);
inline Result<Blocks> make_blocks(std::size_t rows, std::size_t dimension) {
  return make_blocks(rows, dimension, VectorChunk::block_rows(dimension));
}
// The same, with the rows of `front` first (at most `rows`). Its full blocks are shared, not copied: the same pages
// at a second address, which outlive it.
Result<Blocks> extend_blocks(const Generation& front, std::size_t rows);

// One folder of generations, of all spaces of one database. Any thread; one writer at a time over all
// processes: who calls write() or keep_only() holds lock().
class GenerationFolder {
 public:
  // `database` is an id of the database, 1 to 64 bytes, to tell its files from another's. `map`: read() maps
  // files, else it reads them into memory. Files are made with these permissions (the database's own), and the
  // folder, when the first is written.
  GenerationFolder(std::string folder, std::string database, bool map, unsigned permissions = 0644);

  // The right to write, until the returned object goes (the kernel takes it back from a dead process). Who has it in
  // this process is waited for while `keep_on` says so; without it nobody is. Null: still somebody has it.
  Result<std::shared_ptr<void>> lock(const std::function<bool()>& keep_on = {});

  // Writes the files of a generation, whose number none that was published has. `older` (may be null) shares its full blocks:
  // if the first of the new one's are the same, its vector file is appended to. That file's bytes are not looked at
  // again: when read() finds the result corrupt, write it without `older`. On failure nothing of it is left, as far
  // as the disk lets us. `keep_on` is asked every few milliseconds of work; false gives up (`unavailable`).
  Result<Published> write(const Generation& generation, const Published* older,
                          const std::function<bool()>& keep_on = {});
  // Maps (or reads) and verifies everything: corruption says what is wrong, not_found that a file is not there,
  // unsupported that it is of a later version. The files may be removed while the result is used.
  Result<std::shared_ptr<const Generation>> read(std::uint64_t space, const Published& published) const;
  // Removes this space's files but those named, and what a crash has left of them.
  Result<void> keep_only(std::uint64_t space, std::span<const Published> kept);
  std::uint64_t bytes(std::uint64_t space) const;
  std::uint64_t bytes() const;  // of all spaces

 private:
  struct Turn;
  class Held;
  std::string path(std::string_view name) const;
  template <class Counts> std::uint64_t bytes_of(const Counts& counts) const;
  std::shared_ptr<Turn> turn_;  // of this process's threads
  std::string folder_;
  std::string database_;
  bool map_;
  unsigned permissions_;
};

}  // namespace fractal::hnsw

#endif
