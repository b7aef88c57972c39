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
#include <vector>

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
  // others. Once it has been added to a database it stays, and whoever opens it obeys, or has it open by then. Superusers,
  // and roles with BYPASSRLS, see everything nevertheless; other programs see nothing unless they `SET fractal.spaces`.
  bool row_security = false;
};

// Makes the tables if need be, never in those of another program: see adopt_postgres(). Any thread; the storage, too.
// invalid_argument: the URL is none. not_found: see `create`. unavailable: no server answers, or it lets nobody in.
// unsupported: older than PostgreSQL 13, tables of a later version of this library, or of another program alone.
FRACTAL_API Result<std::shared_ptr<Storage>> open_postgres_storage(const PostgresOptions& options);

// What open("postgres://...") does: path is the URL; create, read_only, durability and busy_timeout as above.
FRACTAL_API Result<std::shared_ptr<Storage>> open_postgres_url(const Options& options);
inline const bool postgres_scheme_added =
    add_storage_scheme("postgres", &open_postgres_url) && add_storage_scheme("postgresql", &open_postgres_url);

// ---- A database of SomaFractalMemory's service ----
// Its tables become ours, in place: they get our columns, and triggers by which what the service, or any other program,
// writes there from then on is a memory or link at once (backends/postgres/README.md). Its own columns and rows stay.

struct AdoptOptions {
  bool dry_run = true;  // only say what would be done
  Control control{};    // of the rows there are; its progress in none
};

struct AdoptReport {
  // Rows that cannot be memories or links: they stay as they are, and are none.
  struct Refused {
    std::string table{};
    std::string reason{};
    std::uint64_t rows = 0;
    std::string example{};  // where one of them is
  };

  bool adopted_before = false;
  std::uint64_t memories = 0, links = 0;  // rows that become memories and links: all, unless it was adopted before
  std::uint64_t tenants = 0, spaces = 0;  // of all rows
  std::vector<Refused> refused{};
  std::vector<std::string> changes{};  // to the service's own columns, constraints and indexes, one sentence each
};

// All of it or nothing, in one transaction, during which nobody else can read or write the tables; done again, it takes
// over what could not be before. Then open() the database and maintain(): that makes the words and vectors of what is
// there, and goes on where it was stopped. busy_timeout is the wait for the tables.
// not_found: there are none of these tables. unsupported: a column of theirs is missing, of another type, or must be given
// and is not known. unavailable: as with open_postgres_storage(), or the tables are in use.
FRACTAL_API Result<AdoptReport> adopt_postgres(const PostgresOptions& options, const AdoptOptions& how = {});

}  // namespace fractal

#endif
