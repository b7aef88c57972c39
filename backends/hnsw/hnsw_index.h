// The vector index with graphs: exact in memory like the flat one, and for large spaces a graph (HNSW) over
// most of the rows, made in the background and kept in files.
#ifndef FRACTAL_BACKENDS_HNSW_HNSW_INDEX_H
#define FRACTAL_BACKENDS_HNSW_HNSW_INDEX_H

#include <fractal/backend.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace fractal::hnsw {

// Where the index keeps its files, and the rows of the database that say which of them are valid.
struct Home {
  std::string folder{};    // empty: nothing is kept
  std::string database{};  // an id of the database
  std::function<Result<std::optional<std::string>>(std::uint64_t space)> published{};
  // Durable when it returns. An empty text removes the row.
  std::function<Result<void>(std::uint64_t space, const std::string& text)> publish{};
  // `io` if the database's files, which have these and so many bytes more, would have too many then. Null: never.
  std::function<Result<void>(std::uint64_t index_bytes, std::uint64_t more)> check_disk{};
};

// `most_bytes`: of memory for one space, 0: no limit. A graph is made earlier then, and none that would take more.
std::shared_ptr<VectorIndex> make_index(const IndexOptions& options, Home home, std::uint64_t most_bytes = 0);

}  // namespace fractal::hnsw

#endif
