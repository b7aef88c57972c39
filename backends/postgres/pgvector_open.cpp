// Invariant: an index that is open is the storage's it was opened for, on a server with pgvector 0.8 or later.
#include "backends/postgres/pgvector_index.h"
#include "backends/postgres/pgvector_tables.h"
#include "backends/postgres/postgres_storage.h"
#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

Result<void> check(const PgvectorOptions& options) {
  if (options.graph_from == 0) return Error{Errc::invalid_argument, "pgvector: graph_from is 0"};
  if (options.m < 2 || options.m > 100) {
    return make_error(Errc::invalid_argument, "pgvector: m is {}, not in 2..100", options.m);
  }
  if (options.ef_construction < 2 * options.m || options.ef_construction > 1'000) {
    return make_error(Errc::invalid_argument, "pgvector: ef_construction is {}, not in {}..1000",
                      options.ef_construction, 2 * options.m);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<VectorIndex>> make_pgvector_index(const PgvectorOptions& options, const ClaimTables& claim,
                                                         NewestRecord newest) {
  FRACTAL_TRY(check(options));
  FRACTAL_TRY_INTO(auto server, server_of({.url = options.url,
                                           .most_connections = options.most_connections,
                                           .connect_timeout = options.connect_timeout,
                                           .call_timeout = options.call_timeout}));
  server.setup += fmt::format("; SET jit = off; {}", pgvector_setup);
  auto pool = std::make_shared<Pool>(server, options.most_connections);
  std::string identity;
  {
    FRACTAL_TRY_INTO(const Lease lease, pool->lease());
    FRACTAL_TRY(prepare_pgvector(*lease, options.create));
    FRACTAL_TRY_INTO(identity, claim(*lease));
  }
  return std::shared_ptr<VectorIndex>(
      std::make_shared<PgvectorIndex>(options, std::move(pool), std::move(identity), std::move(newest)));
}

}  // namespace fractal::postgres_backend

namespace fractal {

Result<std::shared_ptr<VectorIndex>> open_pgvector_index(const PgvectorOptions& options,
                                                         std::shared_ptr<Storage> storage) {
  using postgres_backend::Connection;
  if (!storage) return Error{Errc::invalid_argument, "pgvector: no storage is given"};
  const auto claim = [&](Connection& connection) { return postgres_backend::claim_pgvector(connection, *storage); };
  return postgres_backend::make_pgvector_index(options, claim, newest_of(storage));
}

Result<std::shared_ptr<VectorIndex>> open_pgvector_url(const std::string& url, const Options& options,
                                                       const std::shared_ptr<Storage>& storage) {
  return open_pgvector_index(
      {.url = "postgres" + url.substr(scheme_of(url).size()), .create = options.create && !options.read_only}, storage);
}

}  // namespace fractal
