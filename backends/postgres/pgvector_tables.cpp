// Invariant: the tables serve one storage: the one that has a setting with their identity.
//
// sfm_pgvector_about   one row: the version of these tables, their identity, whether a storage has claimed them.
// sfm_pgvector_spaces  one row a space, the lock of who changes what the index holds of it. `applied` is the sequence up
//                      to which it has every change; `moments` are pairs (first, last) of sequences as of which it can
//                      answer, rising, the last one ending with `applied`; `changed` is the sequence of the last change
//                      to a vector; `vectors` and `raw` count the space's rows in sfm_pgvector and those of them that
//                      have `raw`; `longest` is at least the length of each embedding.
// sfm_pgvector         the vectors of now. `born` is the sequence of the vector's last change. Just one of the two:
//                      `embedding`, what the server can compare, or `raw`, little-endian float32, what it cannot: more
//                      than 16,000 components, or so long or short that its sums of float32 would leave their range.
// sfm_pgvector_past    vectors of earlier moments: replaced or gone at the sequence `died`.
// sfm_pgvector_erased  spaces of which rows were deleted whose bytes may still lie in files, and how many times.
//
// A graph is an index sfm_pgvector_graph_<space>_<dimension>_<metric> over the embeddings of one space: what tenants
// store cannot change each other's answers.
#include "backends/postgres/pgvector_tables.h"

#include "src/error.h"
#include "src/followed_storage.h"

#include <charconv>

namespace fractal::postgres_backend {
namespace {

constexpr const char* version_1 = R"sql(
CREATE TABLE sfm_pgvector_about(
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL,
  identity text NOT NULL DEFAULT gen_random_uuid()::text,
  claimed boolean NOT NULL DEFAULT false
);
INSERT INTO sfm_pgvector_about(version) VALUES (1);

CREATE TABLE sfm_pgvector_spaces(
  space bigint PRIMARY KEY,
  applied bigint NOT NULL DEFAULT 0,
  moments bigint[] NOT NULL DEFAULT '{0,0}',
  changed bigint NOT NULL DEFAULT 0,
  dimension bigint NOT NULL DEFAULT 0,
  metric bigint NOT NULL DEFAULT 0,
  vectors bigint NOT NULL DEFAULT 0,
  raw bigint NOT NULL DEFAULT 0,
  longest double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE sfm_pgvector(
  space bigint NOT NULL,
  id bigint NOT NULL,
  born bigint NOT NULL,
  dimension integer NOT NULL,
  embedding vector,
  raw bytea,
  PRIMARY KEY(space, id)
);
ALTER TABLE sfm_pgvector ALTER raw SET STORAGE EXTERNAL;
CREATE INDEX sfm_pgvector_born ON sfm_pgvector(space, born);
CREATE INDEX sfm_pgvector_raw ON sfm_pgvector(space, id) WHERE raw IS NOT NULL;

CREATE TABLE sfm_pgvector_past(
  space bigint NOT NULL,
  id bigint NOT NULL,
  born bigint NOT NULL,
  died bigint NOT NULL,
  embedding vector,
  raw bytea,
  PRIMARY KEY(space, id, died)
);
CREATE INDEX sfm_pgvector_past_died ON sfm_pgvector_past(space, died);

CREATE TABLE sfm_pgvector_erased(space bigint PRIMARY KEY, times bigint NOT NULL DEFAULT 1);
)sql";

// Any number: this library's, of this purpose.
constexpr const char* take_turns = "SELECT pg_advisory_xact_lock(7370931472018206)";

constexpr Statement extension{"look for pgvector", "SELECT extversion FROM pg_extension WHERE extname = 'vector'"};
// Not another index's, in a schema further on in search_path.
constexpr Statement tables_there{
    "look for the tables",
    "SELECT count(*) FROM pg_class WHERE relname = 'sfm_pgvector_about' AND relnamespace = "
    "current_schema()::regnamespace"};
constexpr Statement tables_version{"look for the tables", "SELECT version FROM sfm_pgvector_about"};

// Into public, where every schema's tables find it: it is one for the whole database.
Result<void> make_extension(Connection& connection) {
  auto made = connection.script("CREATE EXTENSION vector SCHEMA public", "make the extension vector");
  if (made) return connection.script(pgvector_setup, "make the extension vector");
  if (made.error().code == Errc::unavailable) return made;
  return make_error(Errc::unsupported,
                    "{}; an administrator may have to install pgvector, or to run CREATE EXTENSION vector",
                    made.error().message);
}

Result<void> need_extension(Connection& connection) {
  FRACTAL_TRY_INTO(Rows found, connection.run(extension));
  if (found.count() == 0) {
    FRACTAL_TRY(make_extension(connection));
    FRACTAL_TRY_INTO(found, connection.run(extension));
  }
  const std::string_view installed = found.count() > 0 ? found.bytes(0, 0) : "?";
  if (is_recent_pgvector(installed)) return {};
  return make_error(Errc::unsupported, "{}: pgvector {} is older than 0.8", connection.server(), installed);
}

Result<void> make_tables(Connection& connection, bool create) {
  FRACTAL_TRY(connection.script(take_turns, "make the tables"));
  FRACTAL_TRY_INTO(const Rows table, connection.run(tables_there));
  const bool present = table.natural(0, 0) != 0;
  if (!present && !create) {
    return make_error(Errc::not_found, "{}: there are no tables of a vector index", connection.server());
  }
  FRACTAL_TRY(need_extension(connection));
  if (!present) return connection.script(version_1, "make the tables");
  FRACTAL_TRY_INTO(const Rows rows, connection.run(tables_version));
  const std::int64_t found = rows.count() > 0 ? rows.integer(0, 0) : 0;
  if (found == pgvector_tables_version) return {};
  return make_error(Errc::unsupported, "{}: the tables of the vector index have version {}, not {}",
                    connection.server(), found, pgvector_tables_version);
}

// What is open otherwise is undone when the connection goes back.
Result<void> committed(Connection& connection, const Result<void>& done) {
  return done ? connection.script("COMMIT", "make the tables") : done;
}

Result<std::string> claim(Connection& connection, Storage& storage) {
  constexpr Statement about{"read whose the tables are", "SELECT identity, claimed FROM sfm_pgvector_about FOR UPDATE"};
  FRACTAL_TRY_INTO(const Rows rows, connection.run(about));
  if (rows.count() != 1) {
    return make_error(Errc::corruption, "{}: sfm_pgvector_about has {} rows, not 1", connection.server(), rows.count());
  }
  std::string identity(rows.bytes(0, 0));
  const std::string name = "pgvector/" + identity;
  FRACTAL_TRY_INTO(const auto setting, storage.setting(name));
  const bool claimed = rows.integer(0, 1) != 0;
  if (setting && (claimed || storage.read_only())) return identity;
  if (claimed) {
    return make_error(Errc::conflict,
                      "{}: the vector index belongs to another storage: drop its tables (sfm_pgvector...), or name "
                      "another schema by the URL's search_path",
                      connection.server());
  }
  if (storage.read_only()) {
    return make_error(Errc::unsupported, "{}: a new vector index needs a storage that can be written to",
                      connection.server());
  }
  if (!setting) FRACTAL_TRY(write_setting(storage, name, "1"));  // else a claim broke off there
  FRACTAL_TRY(connection.script("UPDATE sfm_pgvector_about SET claimed = true", "claim the tables"));
  return identity;
}

}  // namespace

const char* const pgvector_setup =
    "SELECT set_config('search_path', concat_ws(', ', current_setting('search_path'), (SELECT quote_ident(n.nspname) "
    "FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector')), false)";

bool is_recent_pgvector(std::string_view version) {
  const std::size_t dot = version.find('.');
  unsigned major = 0, minor = 0;
  const char* const end = version.data() + version.size();
  if (dot == std::string_view::npos || std::from_chars(version.data(), end, major).ec != std::errc()) return false;
  if (std::from_chars(version.data() + dot + 1, end, minor).ec != std::errc()) return false;
  return major > 0 || minor >= 8;
}

Result<void> prepare_pgvector(Connection& connection, bool create) {
  FRACTAL_TRY(connection.script("BEGIN", "make the tables"));
  return committed(connection, make_tables(connection, create));
}

Result<std::string> claim_pgvector(Connection& connection, Storage& storage) {
  FRACTAL_TRY(connection.script("BEGIN", "claim the tables"));
  auto identity = claim(connection, storage);
  FRACTAL_TRY(committed(connection, identity ? Result<void>() : Result<void>(identity.error())));
  return identity;
}

}  // namespace fractal::postgres_backend
