// The files of a generation: the rows' vectors and codes, and the graph over them.
//
// Per space two kinds of files in the folder of the database's index:
//   <space>-<n>.vectors   full blocks of rows, each the image of a VectorChunk; appended to, never changed
//   <space>-<g>.graph     of one generation: the header, the last block (not full, as a rule), the graph
// What makes a generation valid is the row that the database publishes, `Published`, and it is published
// last: temporary file, checked writes, fsync, rename, fsync of the folder, row.
#ifndef FRACTAL_BACKENDS_HNSW_GENERATION_H
#define FRACTAL_BACKENDS_HNSW_GENERATION_H

#include "backends/hnsw/graph.h"
#include "src/vector_chunk.h"

#include <fractal/backend.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fractal::hnsw {

// What the database's row says of one generation.
struct Published {
  std::uint64_t number = 0;    // rising within the space
  std::uint64_t sequence = 0;  // the rows are those alive as of it
  std::string vectors{};       // file names within the folder
  std::string graph{};
  std::array<std::uint64_t, 2>
      hash{};  // XXH3, 128 bits, of the graph file's header, which holds the hashes of all else

  std::string to_string() const;
  static Result<Published> parse(std::string_view text);
};

// What a generation holds. Blocks are equal in capacity (VectorChunk::block_rows), all full but the last, and lie
// in memory one after the other, block_bytes apart.
struct Generation {
  std::uint64_t space = 0;
  std::uint64_t number = 0, sequence = 0;
  std::size_t rows = 0, dimension = 0;
  Metric metric = Metric::cosine;
  std::vector<std::shared_ptr<VectorChunk>> blocks{};
  std::size_t block_bytes = 0;
  std::shared_ptr<const Graph> graph{};
};

// One folder of generations, of all spaces of one database. Any thread; one writer at a time over all
// processes (lock()).
class GenerationFolder {
 public:
  // `database` is an id of the database, to tell its files from another's.
  GenerationFolder(std::string folder, std::string database, bool map);

  // The right to write, until the returned object goes (the kernel takes it back from a dead process);
  // null: another process has it.
  Result<std::shared_ptr<void>> lock();

  // Writes the files of a generation. `older` (may be null) shares its full blocks: if the first of the new one's
  // are the same, its vector file is appended to. On failure nothing of it is left, as far as the disk lets us.
  Result<Published> write(const Generation& generation, const Published* older);
  // Maps (or reads) and verifies everything: corruption says what is wrong, not_found that a file is not there.
  Result<std::shared_ptr<const Generation>> read(std::uint64_t space, const Published& published) const;
  // Removes this space's files but those named.
  Result<void> keep_only(std::uint64_t space, std::span<const Published> kept);
  std::uint64_t bytes(std::uint64_t space) const;
};

}  // namespace fractal::hnsw

#endif
