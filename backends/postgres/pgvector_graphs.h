// The graphs of the pgvector index: HNSW indexes of the server, one for each large space.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_GRAPHS_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_GRAPHS_H

#include <fractal/fractal_memory.h>

#include "backends/postgres/pgvector_space.h"

#include <cstdint>
#include <string>

namespace fractal::postgres_backend {

struct GraphOptions {
  std::size_t from = 0;  // vectors of a space
  std::uint32_t m = 0, ef_construction = 0;
};

// Any thread; each call has connections of its own, whose statements may take as long as they need.
class Graphs {
 public:
  Graphs(const Server& server, std::string identity, const GraphOptions& options);

  bool is_due(const IndexedSpace& space, bool there) const {
    return !there && space.vectors - space.raw >= options_.from && space.dimension <= most_graph_dimension;
  }
  // Drops the graphs that no space uses any more, then makes this space's if it is due. Writers and searches go on
  // meanwhile; transactions that began before it, of whomever, are waited for. One program at a time: while another is
  // at it this waits, or does nothing if `wait` is false.
  Result<void> build(std::uint64_t space, bool wait, const Control& control);
  // Rewrites the tables, if they may hold bytes of deleted vectors of this space or of a space that is gone: nobody can
  // search meanwhile.
  Result<void> purge(std::uint64_t space, const Control& control);

 private:
  Result<std::unique_ptr<Connection>> connect() const;
  Result<bool> take_turn(Connection& connection, bool wait, const Control& control) const;
  Result<void> drop_unused(Connection& connection) const;
  Result<void> make(Connection& connection, const IndexedSpace& space, const Control& control) const;

  Server server_;
  std::string identity_;
  GraphOptions options_;
};

}  // namespace fractal::postgres_backend

#endif
