// One search in the pgvector index, as of one moment.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_SEARCH_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_SEARCH_H

#include <fractal/backend.h>

#include "backends/postgres/pgvector_space.h"

namespace fractal::postgres_backend {

struct SearchedSpace {
  IndexedSpace space;
  bool graph = false;  // a whole one, of the space's dimension and metric
};

// Begins the transaction whose snapshot the search describes. `unavailable`: nothing is known of the space.
Result<SearchedSpace> begin_search(Connection& connection, std::uint64_t space);
// Inside of it. `unavailable`: the moment is not known.
Result<VectorHits> search_indexed(Connection& connection, const SearchedSpace& searched, const VectorQuery& query);

}  // namespace fractal::postgres_backend

#endif
