// What the pgvector index knows of one space: the row of sfm_pgvector_spaces.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_SPACE_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_SPACE_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fractal::postgres_backend {

// As FRACTAL_INDEXED lists the columns.
#define FRACTAL_INDEXED "s.applied, s.moments, s.changed, s.dimension, s.metric, s.vectors, s.raw, s.longest"
// Some bytes of deleted vectors of the spaces that a query gives may still lie in files.
#define FRACTAL_NOTE_ERASED(query) \
  "INSERT INTO sfm_pgvector_erased AS e(space) " query " ON CONFLICT(space) DO UPDATE SET times = e.times + 1"

struct IndexedSpace {
  std::uint64_t number = 0;
  std::uint64_t applied = 0;                 // every change up to this sequence is in it
  std::vector<std::uint64_t> moments{0, 0};  // pairs (first, last): it can answer as of these sequences
  std::uint64_t changed = 0;                 // sequence of the last change to a vector
  std::size_t dimension = 0;
  Metric metric = Metric::cosine;
  std::uint64_t vectors = 0, raw = 0;  // now; those of them that the server cannot compare
  double longest = 0;                  // no embedding is longer

  bool knows(std::uint64_t as_of) const;
  // These rows can stand beside what comes with that record.
  bool fits(const SpaceRecord& record) const {
    return vectors == 0 || (dimension == record.dimension && metric == record.metric);
  }
};

// The columns FRACTAL_INDEXED, from `column` on.
Result<IndexedSpace> read_indexed(const Connection& connection, const Rows& rows, std::uint64_t number, int column = 0);

// ---- Vectors -----------------------------------------------------------------------------------------------------

inline constexpr std::size_t most_graph_dimension = 2'000;  // of an HNSW index over `vector`

// The server may compare it: its sums of float32 neither overflow nor vanish. Square: its product with itself.
bool is_comparable(std::size_t dimension, double square);
// Of the columns embedding and raw.
void read_vector(const Rows& rows, int row, int embedding_column, int raw_column, std::vector<float>& vector);

// ---- Graphs ------------------------------------------------------------------------------------------------------

std::string graph_name(std::uint64_t space, std::size_t dimension, Metric metric);
const char* distance_operator(Metric metric);
const char* operator_class(Metric metric);

}  // namespace fractal::postgres_backend

#endif
