// Invariant: a schema has either none of our columns, or those of exactly one version, which sfm_settings names. Steps
// are never edited once released: a new version is a new step.
//
// The tables of SomaFractalMemory's service, with its columns, and ours beside them: those of its tables begin with fm_.
//
// sfm_settings          one row a setting; schema_version is this file's, the others are the core's.
// sfm_namespaces        one row a space. fm_number comes from a sequence, so none is given twice. The other columns are
//                       those of SpaceRecord, plus the number and the least time of the audit records, how many commits
//                       there were and the tokens of the last 32. Who writes to a space locks its row first: so a
//                       space's commits come in the order of their sequence numbers.
// sfm_memories          one row a memory. fm_id = space << 40 | counter; fm_key is Coordinate::key(); fm_payload and
//                       fm_metadata are the texts as they were sent; times are microseconds; fm_type 0 episodic, 1
//                       semantic; fm_words count the words of each keyword column. Natural numbers beyond 63 bits (a version
//                       that was imported) are stored as the negative number of the same bits. payload, metadata, created_at
//                       and the like are the service's view of the same; id is fm_uuid unless another space has that.
//                       fm_unindexed: another program wrote it, and the core has made no keywords, vector and field values
//                       of its payload yet (triggers.cpp). fm_id null: another program's row that cannot be one of ours.
// sfm_vector_embeddings fm_id of the memory, sequence of the vector's last change, float32 in little-endian order.
// sfm_graph_links       one row a link, by fm_space, fm_from, fm_type, fm_to. fm_space null: as fm_id above.
// sfm_removals          memories (kind 1) and links (kind 3) that went, until the space's horizon.
// sfm_audit_log         records by space and fm_number, which rises within the database.
// sfm_keywords          the words of a memory: `terms` are its different words, each behind the number of its space and a
//                       colon, so that one index serves all spaces and a search sees only its own; c0..c3 say how often
//                       each stands in the column of a weight class.
// sfm_fields            the indexed payload paths.
// fm_written, ...       types for what the triggers' functions hand on.
// sfm_field_values      one row for each scalar at an indexed path: kind 0 null, 1 bool, 2 number, 3 text (its first 256 bytes).
//
// Bytes, not texts, wherever order or exactness counts: a server's texts have no NUL, and are ordered by a collation.
#include "backends/postgres/schema.h"

#include "backends/postgres/triggers.h"
#include "src/error.h"

#include <array>

namespace fractal::postgres_backend {
namespace {

constexpr const char* service_tables = R"sql(
CREATE TABLE IF NOT EXISTS sfm_namespaces(
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL,
  tenant varchar(255) NOT NULL DEFAULT 'default',
  description text NOT NULL DEFAULT '',
  config jsonb NOT NULL DEFAULT '{}',
  total_memories integer NOT NULL DEFAULT 0,
  episodic_count integer NOT NULL DEFAULT 0,
  semantic_count integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS sfm_memories(
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  namespace varchar(255) NOT NULL,
  coordinate double precision[] NOT NULL,
  coordinate_key varchar(512) NOT NULL,
  memory_type varchar(20) NOT NULL DEFAULT 'episodic',
  payload jsonb NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  tenant varchar(255) NOT NULL DEFAULT 'default',
  importance double precision NOT NULL DEFAULT 0,
  access_count integer NOT NULL DEFAULT 0,
  last_accessed timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS sfm_graph_links(
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  namespace varchar(255) NOT NULL,
  from_coordinate double precision[] NOT NULL,
  from_coordinate_key varchar(512) NOT NULL,
  to_coordinate double precision[] NOT NULL,
  to_coordinate_key varchar(512) NOT NULL,
  link_type varchar(100) NOT NULL DEFAULT 'related',
  strength double precision NOT NULL DEFAULT 1,
  metadata jsonb NOT NULL DEFAULT '{}',
  tenant varchar(255) NOT NULL DEFAULT 'default',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS sfm_vector_embeddings(
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  memory_id uuid,
  collection_name varchar(255) NOT NULL DEFAULT '',
  milvus_id bigint,
  vector_dim integer NOT NULL DEFAULT 0,
  model_name varchar(255) NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS sfm_audit_log(
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  action varchar(20) NOT NULL,
  namespace varchar(255) NOT NULL,
  coordinate_key varchar(512) NOT NULL DEFAULT '',
  tenant varchar(255) NOT NULL DEFAULT 'default',
  user_id varchar(255) NOT NULL DEFAULT '',
  ip_address inet,
  details jsonb NOT NULL DEFAULT '{}',
  timestamp timestamptz NOT NULL DEFAULT now()
);
)sql";

constexpr const char* version_1 = R"sql(
CREATE SEQUENCE sfm_space_numbers;
CREATE SEQUENCE sfm_audit_numbers;

ALTER TABLE sfm_namespaces
  ADD fm_number bigint,
  ADD fm_tenant bytea,
  ADD fm_name bytea,
  ADD fm_sequence bigint NOT NULL DEFAULT 0,
  ADD fm_last_id bigint NOT NULL DEFAULT 0,
  ADD fm_horizon bigint NOT NULL DEFAULT 0,
  ADD fm_memories bigint NOT NULL DEFAULT 0,
  ADD fm_semantic bigint NOT NULL DEFAULT 0,
  ADD fm_links bigint NOT NULL DEFAULT 0,
  ADD fm_vectors bigint NOT NULL DEFAULT 0,
  ADD fm_dimension bigint NOT NULL DEFAULT 0,
  ADD fm_metric bigint NOT NULL DEFAULT 0,
  ADD fm_words0 bigint NOT NULL DEFAULT 0,
  ADD fm_words1 bigint NOT NULL DEFAULT 0,
  ADD fm_words2 bigint NOT NULL DEFAULT 0,
  ADD fm_words3 bigint NOT NULL DEFAULT 0,
  ADD fm_audit_records bigint NOT NULL DEFAULT 0,
  ADD fm_audit_oldest bigint NOT NULL DEFAULT 9223372036854775807,
  ADD fm_embedder bytea NOT NULL DEFAULT '',
  ADD fm_commits bigint NOT NULL DEFAULT 0,
  ADD fm_tokens bytea NOT NULL DEFAULT '';
CREATE UNIQUE INDEX sfm_namespaces_fm_number ON sfm_namespaces(fm_number);
CREATE UNIQUE INDEX sfm_namespaces_fm_name ON sfm_namespaces(fm_tenant, fm_name);

ALTER TABLE sfm_memories
  ADD fm_id bigint,
  ADD fm_space bigint,
  ADD fm_key bytea,
  ADD fm_uuid bytea,
  ADD fm_type bigint,
  ADD fm_created_at bigint,
  ADD fm_updated_at bigint,
  ADD fm_expires_at bigint,
  ADD fm_version bigint,
  ADD fm_accesses bigint,
  ADD fm_sequence bigint,
  ADD fm_vector_sequence bigint,
  ADD fm_has_vector boolean,
  ADD fm_words0 bigint,
  ADD fm_words1 bigint,
  ADD fm_words2 bigint,
  ADD fm_words3 bigint,
  ADD fm_metadata text,
  ADD fm_payload text,
  ADD fm_unindexed boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX sfm_memories_fm_id ON sfm_memories(fm_id);
CREATE UNIQUE INDEX sfm_memories_fm_key ON sfm_memories(fm_space, fm_key);
CREATE INDEX sfm_memories_fm_sequence ON sfm_memories(fm_space, fm_sequence);
CREATE INDEX sfm_memories_fm_created_at ON sfm_memories(fm_space, fm_created_at, fm_id);
CREATE INDEX sfm_memories_fm_importance ON sfm_memories(fm_space, importance, fm_id);
CREATE INDEX sfm_memories_fm_expires_at ON sfm_memories(fm_space, fm_expires_at) WHERE fm_expires_at IS NOT NULL;
CREATE INDEX sfm_memories_fm_unindexed ON sfm_memories(fm_space, fm_id) WHERE fm_unindexed;
CREATE INDEX sfm_memories_fm_others ON sfm_memories(id) WHERE fm_id IS NULL;

ALTER TABLE sfm_vector_embeddings
  ADD fm_id bigint,
  ADD fm_sequence bigint,
  ADD fm_embedding bytea;
ALTER TABLE sfm_vector_embeddings ALTER fm_embedding SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX sfm_vector_embeddings_fm_id ON sfm_vector_embeddings(fm_id);

ALTER TABLE sfm_graph_links
  ADD fm_space bigint,
  ADD fm_from bytea,
  ADD fm_type bytea,
  ADD fm_to bytea,
  ADD fm_sequence bigint,
  ADD fm_created_at bigint,
  ADD fm_metadata text;
CREATE UNIQUE INDEX sfm_graph_links_fm_name ON sfm_graph_links(fm_space, fm_from, fm_type, fm_to);
CREATE INDEX sfm_graph_links_fm_target ON sfm_graph_links(fm_space, fm_to, fm_type, fm_from);
CREATE INDEX sfm_graph_links_fm_sequence ON sfm_graph_links(fm_space, fm_sequence);
CREATE INDEX sfm_graph_links_fm_others ON sfm_graph_links(id) WHERE fm_space IS NULL;

ALTER TABLE sfm_audit_log
  ADD fm_space bigint,
  ADD fm_number bigint,
  ADD fm_at bigint,
  ADD fm_version bigint,
  ADD fm_subject bytea,
  ADD fm_payload text;
CREATE UNIQUE INDEX sfm_audit_log_fm_number ON sfm_audit_log(fm_space, fm_number);

CREATE TABLE sfm_removals(
  space bigint NOT NULL,
  sequence bigint NOT NULL,
  kind bigint NOT NULL,
  key bytea NOT NULL,
  to_key bytea NOT NULL,
  type bytea NOT NULL,
  id bigint NOT NULL,
  PRIMARY KEY(space, sequence, kind, key, to_key, type)
);

CREATE TABLE sfm_keywords(
  id bigint PRIMARY KEY,
  terms text[] NOT NULL,
  c0 bigint[] NOT NULL,
  c1 bigint[] NOT NULL,
  c2 bigint[] NOT NULL,
  c3 bigint[] NOT NULL,
  words0 bigint NOT NULL,
  words1 bigint NOT NULL,
  words2 bigint NOT NULL,
  words3 bigint NOT NULL
);
CREATE INDEX sfm_keywords_terms ON sfm_keywords USING gin(terms);

CREATE TABLE sfm_fields(
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  path bytea NOT NULL UNIQUE
);

CREATE TABLE sfm_field_values(
  space bigint NOT NULL,
  field bigint NOT NULL,
  kind bigint NOT NULL,
  number double precision,
  text bytea,
  id bigint NOT NULL
);
CREATE INDEX sfm_field_values_number ON sfm_field_values(space, field, number, id) WHERE kind < 3;
CREATE INDEX sfm_field_values_text ON sfm_field_values(space, field, text, id) WHERE kind = 3;
CREATE INDEX sfm_field_values_id ON sfm_field_values(id);

CREATE TYPE fm_written AS (id uuid, payload boolean, metadata boolean);
CREATE TYPE fm_place AS (id uuid, tenant text, name text, key bytea, payload boolean, metadata boolean);
CREATE TYPE fm_link_place AS (
  id uuid, tenant text, name text, from_key bytea, to_key bytea, type bytea, metadata boolean);
CREATE TYPE fm_gone_memory AS (space bigint, id bigint, key bytea, type bigint, vector boolean,
  words0 bigint, words1 bigint, words2 bigint, words3 bigint);
CREATE TYPE fm_gone_link AS (space bigint, from_key bytea, to_key bytea, type bytea);
)sql";

constexpr std::array<const char*, schema_version> steps{version_1};

// Any number: this library's, of this purpose.
constexpr const char* take_turns = "SELECT pg_advisory_xact_lock(7370931472018205)";

}  // namespace

// In one statement: another program of ours may make the tables meanwhile.
Result<void> check_no_others(Connection& connection) {
  constexpr Statement there{
      "look for the tables",
      "WITH there AS (SELECT c.relname::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = "
      "c.relnamespace "
      "WHERE n.nspname = current_schema() AND c.relname IN ('sfm_memories', 'sfm_graph_links', "
      "'sfm_vector_embeddings', "
      "'sfm_namespaces', 'sfm_audit_log', 'sfm_settings')) "
      "SELECT min(name) FROM there WHERE NOT EXISTS (SELECT FROM there WHERE name = 'sfm_settings')"};
  FRACTAL_TRY_INTO(const Rows rows, connection.run(there));
  if (rows.null(0, 0)) return {};
  return make_error(Errc::unsupported, "{}: another program's table {} is there: adopt_postgres() takes them over",
                    connection.server(), rows.bytes(0, 0));
}

Result<void> make_service_tables(Connection& connection) {
  return connection.script(service_tables, "make the tables");
}

Result<void> make_tables(Connection& connection, Others others) {
  FRACTAL_TRY(connection.script(take_turns, "make the tables"));
  FRACTAL_TRY_INTO(const auto version, stored_version(connection));  // another program may have been faster
  const std::int64_t now = version.value_or(0);
  if (now == schema_version) return {};
  if (now == 0) {
    if (others == Others::refuse) FRACTAL_TRY(check_no_others(connection));
    FRACTAL_TRY(
        connection.script("CREATE TABLE sfm_settings(name text PRIMARY KEY, value text NOT NULL)", "make the tables"));
    FRACTAL_TRY(make_service_tables(connection));
  }
  for (std::int64_t step = now; step < schema_version; ++step) {
    FRACTAL_TRY(connection.script(steps[static_cast<std::size_t>(step)], "make the tables"));
  }
  FRACTAL_TRY(make_triggers(connection));
  return connection.script(fmt::format("INSERT INTO sfm_settings VALUES ('schema_version', '{0}') "
                                       "ON CONFLICT(name) DO UPDATE SET value = '{0}'",
                                       schema_version),
                           "make the tables");
}

Result<std::optional<std::int64_t>> stored_version(Connection& connection) {
  // To read pg_class is to hear of what others have made; to_regclass() may go by what this session looked up before.
  constexpr Statement there{
      "look for the tables",
      "SELECT count(*) FROM pg_class WHERE relname = 'sfm_settings' AND pg_table_is_visible(oid)"};
  constexpr Statement version{"look for the tables",
                              "SELECT value::bigint FROM sfm_settings WHERE name = 'schema_version'"};
  FRACTAL_TRY_INTO(const Rows table, connection.run(there));
  if (table.integer(0, 0) == 0) return std::optional<std::int64_t>{};
  FRACTAL_TRY_INTO(const Rows row, connection.run(version));
  if (row.count() == 0) return std::optional<std::int64_t>{};
  return std::optional(row.integer(0, 0));
}

Result<void> migrate(Connection& connection) {
  FRACTAL_TRY(connection.script("BEGIN", "make the tables"));
  auto done = make_tables(connection, Others::refuse);
  if (done) done = connection.script("COMMIT", "make the tables");
  return done;
}

}  // namespace fractal::postgres_backend
