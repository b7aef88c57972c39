// A vector index that lies on a PostgreSQL server with pgvector, one for all machines that share a storage. Without it
// each process keeps the vectors it searches in its own memory (docs/backends.md says when that is better).
//
//   #include <fractal/pgvector.h>
//   #include <fractal/postgres.h>
//   const std::string url = "postgres://app@db.example/memory";
//   fractal::Options options;
//   options.storage = fractal::open_postgres_storage({.url = url}).value();
//   options.vector_index = fractal::open_pgvector_index({.url = url}, options.storage).value();
//   auto memory = fractal::FractalMemory::open(options).value();
#ifndef FRACTAL_PGVECTOR_H
#define FRACTAL_PGVECTOR_H

#include <fractal/backend.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fractal {

struct PgvectorOptions {
  std::string url{};                                // as PostgresOptions::url; the storage's server or another
  bool create = true;                               // false: a database without the tables is not_found
  std::size_t most_connections = 16;                // at once; who needs one more waits
  std::chrono::milliseconds connect_timeout{5000};  // also the wait for a free connection; then the rows are compared
  std::chrono::milliseconds call_timeout{30'000};   // of one statement; then the rows are compared
  // Vectors of a space; in smaller ones all are compared by the server, exactly. maintain() builds for spaces of
  // Options::index.graph_from vectors and more.
  std::size_t graph_from = 10'000;
  std::uint32_t m = 16;                // links of a vector in the graph: 2 to 100
  std::uint32_t ef_construction = 64;  // care in building it: 2 * m to 1000
  bool background = true;  // a graph is built by a thread once a search finds it due; false: by maintain() alone
};

// Makes the tables if need be, and the extension where that is allowed. The index belongs to this storage from then on:
// the storage has a setting for it, and another storage is refused. Any thread; the index, too. invalid_argument: the
// URL is none, or a number is out of its range. not_found: see `create`. unavailable: no server answers, or it lets
// nobody in. unsupported: no pgvector, one older than 0.8, or tables of a later version of this library. conflict: the
// tables are another storage's.
FRACTAL_API Result<std::shared_ptr<VectorIndex>> open_pgvector_index(const PgvectorOptions& options,
                                                                     std::shared_ptr<Storage> storage);

// What Options::vector_index = "pgvector://..." does: the rest is as in a URL of PostgreSQL; options.create counts, and
// read_only makes nothing.
FRACTAL_API Result<std::shared_ptr<VectorIndex>> open_pgvector_url(const std::string& url, const Options& options,
                                                                   const std::shared_ptr<Storage>& storage);
inline const bool pgvector_scheme_added = add_vector_index_scheme("pgvector", &open_pgvector_url);

}  // namespace fractal

#endif
