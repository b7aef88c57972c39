// Memories on a PostgreSQL server, for programs on many machines (docs/backends.md).
//
//   #include <fractal/postgres.h>
//   auto memory = fractal::FractalMemory::open("postgres://app@db.example/memory").value();
//
// With options of its own:
//
//   fractal::Options options;
//   options.storage = fractal::open_postgres_storage({.url = "postgres://app@db.example/memory"}).value();
//   auto memory = fractal::FractalMemory::open(options).value();
#ifndef FRACTAL_POSTGRES_H
#define FRACTAL_POSTGRES_H

#include <fractal/backend.h>

#include <chrono>
#include <memory>
#include <string>

namespace fractal {

struct PostgresOptions {
  // postgres://user:password@host:port/database?sslmode=verify-full&... : every setting that libpq takes
  // (https://www.postgresql.org/docs/current/libpq-connect.html), the environment's PG* for those that are missing.
  // `options=-c search_path=...` puts the tables into a schema of their own. Messages name neither password nor any other
  // secret.
  std::string url{};
  bool create = true;  // false: a database without the tables is not_found
  bool read_only = false;
  // full, normal: a write is on the server's disk when it returns (synchronous_commit as the server has it).
  // off: the server's crash may lose the last moments (synchronous_commit = off), never the order.
  Durability durability = Durability::full;
  std::size_t most_connections = 16;                // at once; who needs one more waits
  std::chrono::milliseconds connect_timeout{5000};  // also the wait for a free connection; then `unavailable`
  std::chrono::milliseconds call_timeout{30'000};   // of one statement; then `unavailable`
  std::chrono::milliseconds busy_timeout{5000};     // of a wait for another program that writes to the same space, too
  // The server's row-level security beneath every statement: a transaction sees rows of the spaces that it names, and no
  // others. Once it has been added to a database it stays, and whoever opens it obeys. Superusers, and roles with BYPASSRLS, see
  // everything nevertheless; other programs see nothing unless they `SET fractal.spaces`.
  bool row_security = false;
};

// Makes the tables if need be. Any thread; the storage, too.
// invalid_argument: the URL is none. not_found: see `create`. unavailable: no server answers, or it lets nobody in.
// unsupported: older than PostgreSQL 12, or tables of a later version of this library.
FRACTAL_API Result<std::shared_ptr<Storage>> open_postgres_storage(const PostgresOptions& options);

// What open("postgres://...") does: path is the URL; create, read_only, durability and busy_timeout as above.
FRACTAL_API Result<std::shared_ptr<Storage>> open_postgres_url(const Options& options);
inline const bool postgres_scheme_added =
    add_storage_scheme("postgres", &open_postgres_url) && add_storage_scheme("postgresql", &open_postgres_url);

}  // namespace fractal

#endif
