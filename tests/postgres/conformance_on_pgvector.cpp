// The index on a server with pgvector under the suite of every VectorIndex, each in a schema of its own: graphs from 24
// vectors on, built behind the suite's back while it asks and writes.
#include "backends/postgres/pgvector_index.h"
#include "tests/postgres/fresh_schema.h"

#include <memory>

std::shared_ptr<fractal::VectorIndex> make_empty_index() {
  using namespace fractal;
  const auto claim = [](postgres_backend::Connection&) -> Result<std::string> { return std::string("suite"); };
  const auto newest = [](const SpaceRecord& of) -> Result<SpaceRecord> { return of; };
  return postgres_backend::make_pgvector_index({.url = testing::fresh_postgres_url(testing::pgvector_server()),
                                                .graph_from = 24,
                                                .m = 8,
                                                .ef_construction = 64},
                                               claim, newest)
      .value();
}
