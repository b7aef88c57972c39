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
};

std::shared_ptr<VectorIndex> make_index(const IndexOptions& options, Home home);

}  // namespace fractal::hnsw

#endif
