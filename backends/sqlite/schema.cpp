// Invariant: a file has either no table or all tables of exactly one schema version, and its user_version
// says which. Steps are never edited once released: a new version is a new step.
//
// The file (SQLite, UTF-8, WAL; application_id "FrMm", user_version = schema version):
//
// sfm_settings          one row a setting: those of the core (docs/file_format.md), audit_number (the
//                       last number given in sfm_audit_log).
// sfm_namespaces        one row a space; AUTOINCREMENT, so a number is never given twice. Counters are
//                       those of SpaceRecord, plus the number and the least time of its audit records;
//                       embedder (from version 2) is the identity of what made the vectors, '' if the caller did.
// sfm_memories          one row a memory. id = space << 40 | counter. Keys are Coordinate::key(); uuid has
//                       16 bytes; times are microseconds; memory_type 0 episodic, 1 semantic; words0..3
//                       count the words of each keyword column. Natural numbers beyond int64 (a version that
//                       was imported) are stored as the negative number of the same bits. importance has no declared type, so that a
//                       double comes back bit by bit (-0.0) and compares exactly with integers. The two
//                       long texts come last: what is read without them does not touch their pages.
//   _by_sequence        also carries the small columns that filters ask for: a filter without an index of
//                       its own scans it instead of the rows. An update rewrites this entry in any case.
// sfm_vector_embeddings id of the memory, sequence of the vector's last change, little-endian float32.
// sfm_graph_links       one row a link, clustered by (from, type, to); _by_target answers incoming walks
//                       without the row.
// sfm_removals          memories (kind 1) and links (kind 3) that went, until the space's horizon.
// sfm_audit_log         records by space and number; numbers rise within the database.
// sfm_keywords          FTS5 with its own content: rowid = id of the memory, c0..c3 the normalised words of
//                       each weight class. Tokenizer `ascii` takes them as they are: all bytes beyond ASCII
//                       belong to words. It folds ASCII capitals, so a capital (the core's words have none)
//                       is written as U+E000 and the letter. A memory without words has no row.
// sfm_fields            the indexed payload paths.
// sfm_field_values      one row for each scalar at an indexed path. value has no affinity: numbers as
//                       INTEGER or REAL (integers beyond int64 as the nearest REAL), text as TEXT of at
//                       most 256 bytes, null x'', false x'00', true x'01'. So kinds are ranges:
//                       numbers < '' <= texts < x'' <= null < bools. Not expressions on json_extract():
//                       that takes the first of two equal keys, confuses true with 1 and null with
//                       missing, and loses integers beyond 64 bits.
#include "backends/sqlite/schema.h"

#include "src/error.h"

#include <array>

namespace fractal::sqlite_backend {
namespace {

constexpr const char* version_1 = R"sql(
CREATE TABLE sfm_settings(
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sfm_namespaces(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  namespace TEXT NOT NULL,
  sequence INTEGER NOT NULL DEFAULT 0,
  last_id INTEGER NOT NULL DEFAULT 0,
  horizon INTEGER NOT NULL DEFAULT 0,
  memories INTEGER NOT NULL DEFAULT 0,
  semantic INTEGER NOT NULL DEFAULT 0,
  links INTEGER NOT NULL DEFAULT 0,
  vectors INTEGER NOT NULL DEFAULT 0,
  dimension INTEGER NOT NULL DEFAULT 0,
  metric INTEGER NOT NULL DEFAULT 0,
  words0 INTEGER NOT NULL DEFAULT 0,
  words1 INTEGER NOT NULL DEFAULT 0,
  words2 INTEGER NOT NULL DEFAULT 0,
  words3 INTEGER NOT NULL DEFAULT 0,
  audit_records INTEGER NOT NULL DEFAULT 0,
  audit_oldest INTEGER NOT NULL DEFAULT 9223372036854775807,
  UNIQUE(tenant, namespace)
);

CREATE TABLE sfm_memories(
  id INTEGER PRIMARY KEY,
  space INTEGER NOT NULL,
  coordinate_key BLOB NOT NULL,
  uuid BLOB NOT NULL,
  memory_type INTEGER NOT NULL,
  importance NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  version INTEGER NOT NULL,
  accesses INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  vector_sequence INTEGER NOT NULL,
  has_vector INTEGER NOT NULL,
  words0 INTEGER NOT NULL,
  words1 INTEGER NOT NULL,
  words2 INTEGER NOT NULL,
  words3 INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE UNIQUE INDEX sfm_memories_by_key ON sfm_memories(space, coordinate_key);
CREATE INDEX sfm_memories_by_sequence ON sfm_memories(
  space, sequence, vector_sequence, has_vector, memory_type, importance, version, created_at, updated_at, expires_at);
CREATE INDEX sfm_memories_by_created_at ON sfm_memories(space, created_at);
CREATE INDEX sfm_memories_by_importance ON sfm_memories(space, importance);
CREATE INDEX sfm_memories_by_expires_at ON sfm_memories(space, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE sfm_vector_embeddings(
  id INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL,
  embedding BLOB NOT NULL
);

CREATE TABLE sfm_graph_links(
  space INTEGER NOT NULL,
  from_key BLOB NOT NULL,
  type TEXT NOT NULL,
  to_key BLOB NOT NULL,
  strength NOT NULL,
  sequence INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  PRIMARY KEY(space, from_key, type, to_key)
) WITHOUT ROWID;
CREATE INDEX sfm_graph_links_by_target ON sfm_graph_links(space, to_key, type, from_key, strength);
CREATE INDEX sfm_graph_links_by_sequence ON sfm_graph_links(space, sequence);

CREATE TABLE sfm_removals(
  space INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  key BLOB NOT NULL,
  to_key BLOB NOT NULL,
  type TEXT NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY(space, sequence, kind, key, to_key, type)
) WITHOUT ROWID;

CREATE TABLE sfm_audit_log(
  space INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY(space, number)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE sfm_keywords USING fts5(c0, c1, c2, c3, tokenize = 'ascii');

CREATE TABLE sfm_fields(
  number INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE
);

CREATE TABLE sfm_field_values(
  space INTEGER NOT NULL,
  field INTEGER NOT NULL,
  value NOT NULL,
  id INTEGER NOT NULL,
  PRIMARY KEY(space, field, value, id)
) WITHOUT ROWID;
)sql";

constexpr const char* version_2 = R"sql(
ALTER TABLE sfm_namespaces ADD COLUMN embedder TEXT NOT NULL DEFAULT '';
)sql";

constexpr std::array<Migration, schema_version> steps_to_now{{{version_1}, {version_2}}};

constexpr std::array required{"sfm_settings",
                              "sfm_namespaces",
                              "sfm_memories",
                              "sfm_memories_by_key",
                              "sfm_memories_by_sequence",
                              "sfm_memories_by_created_at",
                              "sfm_memories_by_importance",
                              "sfm_memories_by_expires_at",
                              "sfm_vector_embeddings",
                              "sfm_graph_links",
                              "sfm_graph_links_by_target",
                              "sfm_graph_links_by_sequence",
                              "sfm_removals",
                              "sfm_audit_log",
                              "sfm_keywords",
                              "sfm_fields",
                              "sfm_field_values"};

Result<void> run_steps(Connection& connection, std::span<const Migration> steps) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  FRACTAL_TRY_INTO(const Identity identity, identify(connection));  // another process may have been faster
  FRACTAL_TRY(check_identity(identity, connection.path(), newest));
  if (!identity.empty && identity.version == newest) return {};
  for (std::int64_t version = identity.empty ? 0 : identity.version; version < newest; ++version) {
    FRACTAL_TRY(connection.execute(steps[static_cast<std::size_t>(version)].sql, "migrate the schema"));
  }
  const std::string marks = fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, newest);
  return connection.execute(marks.c_str(), "migrate the schema");
}

}  // namespace

std::span<const Migration> migrations() { return steps_to_now; }

Result<Identity> identify(Connection& connection) {
  Identity identity;
  FRACTAL_TRY_INTO(const auto application, connection.integer("PRAGMA application_id", "open"));
  FRACTAL_TRY_INTO(const auto version, connection.integer("PRAGMA user_version", "open"));
  identity.application = application.value_or(0);
  identity.version = version.value_or(0);
  if (identity.application != 0) return identity;
  FRACTAL_TRY_INTO(const auto table, connection.integer("SELECT 1 FROM sqlite_schema LIMIT 1", "open"));
  identity.empty = !table;
  return identity;
}

Result<void> check_identity(const Identity& identity, const std::string& path, std::int64_t newest) {
  if (identity.empty) return {};
  if (identity.application != application_id) {
    return make_error(Errc::corruption, "{}: not a FractalMemory file (a SQLite database with application_id {})", path,
                      identity.application);
  }
  if (identity.version < 1) {
    return make_error(Errc::corruption, "{}: schema version {} does not exist", path, identity.version);
  }
  if (identity.version > newest) {
    return make_error(Errc::unsupported, "{}: schema version {} is newer than {}, the newest that this version reads",
                      path, identity.version, newest);
  }
  return {};
}

Result<void> migrate(Connection& connection, std::span<const Migration> steps) {
  FRACTAL_TRY(connection.execute("BEGIN IMMEDIATE", "migrate the schema"));
  auto done = run_steps(connection, steps);
  if (done) done = connection.execute("COMMIT", "migrate the schema");
  if (!done) connection.rollback();
  return done;
}

Result<void> check_tables(Connection& connection) {
  for (const std::string_view name : required) {
    Query query(connection, "SELECT 1 FROM sqlite_schema WHERE name = ?1", "open", TextValue{name});
    FRACTAL_TRY_INTO(const bool there, query.step());
    if (!there) return make_error(Errc::corruption, "{}: {} is missing", connection.path(), name);
  }
  return {};
}

}  // namespace fractal::sqlite_backend
