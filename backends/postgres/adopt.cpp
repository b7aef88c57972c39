// Invariant: a database of the service is as it was, or wholly ours with the service's rows and columns in it: everything
// is one transaction, that of a dry run is rolled back.
#include "backends/postgres/foreign_rows.h"
#include "backends/postgres/postgres_storage.h"
#include "backends/postgres/schema.h"
#include "backends/postgres/statements.h"
#include "backends/postgres/triggers.h"
#include "src/error.h"

#include <fractal/postgres.h>

#include <algorithm>

namespace fractal::postgres_backend {
namespace {

constexpr const char* adopting = "adopt";

struct Change {
  std::string sentence{};
  std::string sql{};
};

// Columns of the model, which is in the temporary schema, and of the tables in the schema $1 with the same names.
#define FRACTAL_COLUMNS(schema)                                                                                       \
  "SELECT c.relname, a.attname, a.attnotnull, regexp_replace(format_type(a.atttypid, NULL), '^text$', "               \
  "'character varying') AS type, pg_get_expr(d.adbin, d.adrelid) AS value, a.attidentity <> '' OR a.attgenerated <> " \
  "'' "                                                                                                               \
  "AS made FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "  \
  "LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.relkind IN ('r', 'p') AND "          \
  "c.relnamespace = " schema
#define FRACTAL_BOTH                                                                        \
  "WITH model AS (" FRACTAL_COLUMNS("pg_my_temp_schema()") "), there AS (" FRACTAL_COLUMNS( \
      "$1::text::regnamespace") " AND c.relname IN (SELECT relname FROM model)) "

constexpr Statement obstacles{
    adopting, FRACTAL_BOTH
    "SELECT format('there is no column %s.%s of type %s', m.relname, m.attname, m.type) FROM model AS m "
    "WHERE m.relname IN (SELECT relname FROM there) AND NOT EXISTS (SELECT FROM there AS t WHERE t.relname = m.relname "
    "AND "
    "t.attname = m.attname AND t.type = m.type) UNION ALL "
    "SELECT format('%s.%s must be given and has no default', t.relname, t.attname) FROM there AS t "
    "WHERE t.attnotnull AND t.value IS NULL AND NOT t.made AND NOT EXISTS "
    "(SELECT FROM model AS m WHERE m.relname = t.relname AND m.attname = t.attname) ORDER BY 1"};

// A sentence and a command in each row.
constexpr Statement column_changes{
    adopting, FRACTAL_BOTH
    "SELECT format('gives columns of %s the defaults that they lack: %s', t.relname, string_agg(t.attname, ', ' ORDER "
    "BY "
    "t.attname)), format('ALTER TABLE %I %s', t.relname, string_agg(format('ALTER %I SET DEFAULT %s', t.attname, "
    "m.value), "
    "', ')) FROM there AS t JOIN model AS m USING (relname, attname) WHERE t.value IS NULL AND m.value IS NOT NULL AND "
    "NOT t.made GROUP BY t.relname UNION ALL "
    "SELECT format('lets %s.%s be null: a vector of ours belongs to no row of the service', t.relname, t.attname), "
    "format('ALTER TABLE %I ALTER %I DROP NOT NULL', t.relname, t.attname) FROM there AS t JOIN model AS m "
    "USING (relname, attname) WHERE t.attnotnull AND NOT m.attnotnull ORDER BY 1"};

// Unique without the tenant: one with it takes its place. That of sfm_namespaces is ours, sfm_namespaces_fm_name; another
// beside it would make two programs that make a space at the same moment fail.
constexpr Statement narrow_indexes{
    adopting,
    "SELECT format('drops the unique %s %s (%s) of %s, one with the tenant takes its place', "
    "CASE WHEN k.conname IS NULL THEN 'index' ELSE 'constraint' END, i.relname, n.columns, t.relname), "
    "CASE WHEN k.conname IS NULL THEN format('DROP INDEX %I', i.relname) "
    "ELSE format('ALTER TABLE %I DROP CONSTRAINT %I', t.relname, k.conname) END || CASE t.relname WHEN "
    "'sfm_namespaces' "
    "THEN '' ELSE format('; CREATE UNIQUE INDEX %I ON %I(%s, tenant)', 'fm_' || i.relname, t.relname, n.quoted) END "
    "FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid "
    "LEFT JOIN pg_constraint AS k ON k.conindid = i.oid AND k.contype = 'u' CROSS JOIN LATERAL "
    "(SELECT string_agg(a.attname, ', ' ORDER BY u.place) AS columns, string_agg(quote_ident(a.attname), ', ' ORDER BY "
    "u.place) AS quoted, array_agg(a.attname::text) AS names FROM unnest(x.indkey) WITH ORDINALITY AS u(number, place) "
    "JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = u.number) AS n "
    "WHERE x.indisunique AND NOT x.indisprimary AND x.indexprs IS NULL AND t.relnamespace = $1::text::regnamespace AND "
    "(t.relname = 'sfm_namespaces' AND 'name' = ANY(n.names) OR t.relname IN ('sfm_memories', 'sfm_graph_links') AND "
    "NOT 'tenant' = ANY(n.names) AND n.names && ARRAY['namespace', 'coordinate_key', 'from_coordinate_key', "
    "'to_coordinate_key']) ORDER BY 1"};

// Django deletes such rows by itself; we do not know them.
constexpr Statement foreign_keys{
    adopting,
    "SELECT format('lets %s go with their memory: ON DELETE CASCADE of %s', t.relname, k.conname), "
    "format('ALTER TABLE %I DROP CONSTRAINT %I; ALTER TABLE %I ADD CONSTRAINT %I %s', t.relname, k.conname, t.relname, "
    "k.conname, regexp_replace(regexp_replace(pg_get_constraintdef(k.oid), ' ON DELETE (RESTRICT|SET NULL|SET "
    "DEFAULT)', "
    "''), '( DEFERRABLE.*| NOT VALID)?$', ' ON DELETE CASCADE\\1')) FROM pg_constraint AS k JOIN pg_class AS t ON "
    "t.oid = "
    "k.conrelid JOIN pg_class AS r ON r.oid = k.confrelid WHERE k.contype = 'f' AND k.confdeltype <> 'c' AND "
    "t.relname = 'sfm_vector_embeddings' AND r.relname = 'sfm_memories' AND t.relnamespace = $1::text::regnamespace "
    "AND r.relnamespace = t.relnamespace ORDER BY 1"};

constexpr Statement number_namespaces{
    adopting,
    "UPDATE sfm_namespaces AS n SET fm_number = nextval('sfm_space_numbers'), fm_tenant = convert_to(n.tenant, "
    "'UTF8'), "
    "fm_name = convert_to(n.name, 'UTF8') FROM (SELECT DISTINCT ON (tenant, name) id FROM sfm_namespaces WHERE "
    "fm_space_problem(tenant, name) IS NULL ORDER BY tenant, name, created_at, id) AS first "
    "WHERE n.id = first.id AND n.fm_number IS NULL"};

constexpr Statement spaces_of_rows{
    adopting,
    "SELECT count(DISTINCT tenant), count(*) FROM (SELECT tenant, namespace FROM sfm_memories UNION "
    "SELECT tenant, namespace FROM sfm_graph_links) AS s"};

// Rows that become memories (reason null), and those that cannot, by the reason: how many, and where one is. Before there
// are columns of ours, the oldest of several with the same key becomes one.
#define FRACTAL_SURVEY(row, table, problem, parts, taken)                                                         \
  "SELECT reason, count(*), min(place) FROM (SELECT COALESCE(problem, CASE WHEN row_number() OVER (PARTITION BY " \
  "problem IS NULL, tenant, namespace, " parts " ORDER BY created_at, id) > 1 THEN '" taken                       \
  "' END) AS reason, place "                                                                                      \
  "FROM (SELECT " row ".*, " problem " FROM " table " AS " row                                                    \
  ") AS r) AS s GROUP BY reason ORDER BY reason NULLS FIRST"
constexpr Statement survey_memories{
    adopting,
    FRACTAL_SURVEY(
        "m", "sfm_memories",
        "fm_memory_problem(m) AS problem, format('%s/%s %s', m.tenant, m.namespace, m.coordinate_key) AS place",
        "CASE WHEN problem IS NULL THEN fm_key(coordinate) END", "another memory has its coordinate")};
constexpr Statement survey_links{
    adopting, FRACTAL_SURVEY("l", "sfm_graph_links",
                             "fm_link_problem(l) AS problem, format('%s/%s %s -%s-> %s', l.tenant, l.namespace, "
                             "l.from_coordinate_key, l.link_type, l.to_coordinate_key) AS place",
                             "CASE WHEN problem IS NULL THEN fm_key(from_coordinate) END, link_type, "
                             "CASE WHEN problem IS NULL THEN fm_key(to_coordinate) END",
                             "another link has its ends and type")};

// The same once there are: of those that are not taken over.
constexpr Statement rest_of_memories{
    adopting,
    "SELECT reason, count(*), min(place) FROM (SELECT COALESCE(fm_memory_problem(m), CASE WHEN EXISTS (SELECT FROM "
    "sfm_memories AS o JOIN sfm_namespaces AS n ON n.fm_number = o.fm_space WHERE n.fm_tenant = convert_to(m.tenant, "
    "'UTF8') AND n.fm_name = convert_to(m.namespace, 'UTF8') AND o.fm_key = fm_key(m.coordinate)) "
    "THEN 'another memory has its coordinate' END) AS reason, format('%s/%s %s', m.tenant, m.namespace, "
    "m.coordinate_key) "
    "AS place FROM sfm_memories AS m WHERE m.fm_id IS NULL) AS s GROUP BY reason ORDER BY reason NULLS FIRST"};
constexpr Statement rest_of_links{
    adopting,
    "SELECT reason, count(*), min(place) FROM (SELECT COALESCE(fm_link_problem(l), CASE WHEN EXISTS (SELECT FROM "
    "sfm_graph_links AS o JOIN sfm_namespaces AS n ON n.fm_number = o.fm_space WHERE n.fm_tenant = "
    "convert_to(l.tenant, "
    "'UTF8') AND n.fm_name = convert_to(l.namespace, 'UTF8') AND o.fm_from = fm_key(l.from_coordinate) AND "
    "o.fm_to = fm_key(l.to_coordinate) AND o.fm_type = convert_to(l.link_type, 'UTF8')) "
    "THEN 'another link has its ends and type' END) AS reason, format('%s/%s %s -%s-> %s', l.tenant, l.namespace, "
    "l.from_coordinate_key, l.link_type, l.to_coordinate_key) AS place FROM sfm_graph_links AS l WHERE l.fm_space IS "
    "NULL) "
    "AS s GROUP BY reason ORDER BY reason NULLS FIRST"};

class Adoption {
 public:
  Adoption(Connection& connection, std::string schema) : connection_(connection), schema_(std::move(schema)) {}

  Result<AdoptReport> run(bool dry_run) {
    FRACTAL_TRY_INTO(const auto version, stored_version(connection_));
    if (version > schema_version) {
      return make_error(Errc::unsupported, "{}: the tables have version {}, newer than {}", connection_.server(),
                        *version, schema_version);
    }
    report_.adopted_before = version.has_value();
    if (!version) FRACTAL_TRY(dry_run ? look() : change());
    FRACTAL_TRY_INTO(const Rows spaces, connection_.run(spaces_of_rows));
    report_.tenants = spaces.natural(0, 0);
    report_.spaces = spaces.natural(0, 1);
    if (!version && dry_run) {
      FRACTAL_TRY(count(survey_memories, "sfm_memories", &report_.memories));
      FRACTAL_TRY(count(survey_links, "sfm_graph_links", &report_.links));
      return std::move(report_);
    }
    if (!dry_run) {
      FRACTAL_TRY_INTO(const TakenRows taken, take_foreign_rows(connection_));
      report_.memories = taken.memories;
      report_.links = taken.links;
    }
    FRACTAL_TRY(count(rest_of_memories, "sfm_memories", dry_run ? &report_.memories : nullptr));
    FRACTAL_TRY(count(rest_of_links, "sfm_graph_links", dry_run ? &report_.links : nullptr));
    return std::move(report_);
  }

 private:
  Result<void> look() {
    FRACTAL_TRY(survey_tables());
    return make_row_functions(connection_);
  }

  // Whoever is at work in the tables is waited for before anything is done.
  Result<void> change() {
    FRACTAL_TRY(connection_.script("LOCK TABLE sfm_memories IN ACCESS EXCLUSIVE MODE", adopting));
    FRACTAL_TRY(survey_tables());
    for (const Change& change : changes_) FRACTAL_TRY(connection_.script(change.sql, adopting));
    FRACTAL_TRY(make_tables(connection_, Others::take));
    FRACTAL_TRY(connection_.run(number_namespaces));
    return {};
  }

  // What the service's tables need, by comparison with those that we make.
  Result<void> survey_tables() {
    FRACTAL_TRY(connection_.script("SET LOCAL search_path = pg_temp", adopting));
    FRACTAL_TRY(make_service_tables(connection_));
    FRACTAL_TRY(connection_.script("SET LOCAL search_path TO DEFAULT", adopting));
    const Values schema(Text{schema_});
    FRACTAL_TRY_INTO(const Rows missing, connection_.run(obstacles, schema));
    for (const Statement& statement : {foreign_keys, narrow_indexes, column_changes}) {
      FRACTAL_TRY_INTO(const Rows rows, connection_.run(statement, schema));
      for (int at = 0; at < rows.count(); ++at) {
        changes_.push_back({std::string(rows.bytes(at, 0)), std::string(rows.bytes(at, 1))});
        report_.changes.push_back(changes_.back().sentence);
      }
    }
    FRACTAL_TRY(
        connection_.script("DROP TABLE pg_temp.sfm_namespaces, pg_temp.sfm_memories, pg_temp.sfm_graph_links, "
                           "pg_temp.sfm_vector_embeddings, pg_temp.sfm_audit_log",
                           adopting));
    if (missing.count() == 0) return {};
    std::string all(missing.bytes(0, 0));
    for (int at = 1; at < missing.count(); ++at) all.append("; ").append(missing.bytes(at, 0));
    return make_error(Errc::unsupported, "{}: {}: not the tables of the service: {}", connection_.server(), adopting,
                      all);
  }

  Result<void> count(const Statement& statement, const char* table, std::uint64_t* good) {
    FRACTAL_TRY_INTO(const Rows rows, connection_.run(statement));
    for (int at = 0; at < rows.count(); ++at) {
      if (!rows.null(at, 0)) {
        report_.refused.push_back(
            {table, std::string(rows.bytes(at, 0)), rows.natural(at, 1), std::string(rows.bytes(at, 2))});
      } else if (good != nullptr) {
        *good = rows.natural(at, 1);
      }
    }
    return {};
  }

  Connection& connection_;
  const std::string schema_;
  std::vector<Change> changes_{};
  AdoptReport report_{};
};

Result<std::string> schema_of_tables(Connection& connection) {
  constexpr Statement where{adopting,
                            "SELECT quote_ident(current_schema()) FROM pg_class WHERE relname = 'sfm_memories' AND "
                            "relnamespace = current_schema()::regnamespace"};
  FRACTAL_TRY_INTO(const Rows rows, connection.run(where));
  if (rows.count() > 0) return std::string(rows.bytes(0, 0));
  return make_error(Errc::not_found, "{}: {}: there is no table sfm_memories", connection.server(), adopting);
}

// The rows take as long as they take; who waits for the tables does not.
Result<AdoptReport> adopt(Connection& connection, const AdoptOptions& how) {
  FRACTAL_TRY(connection.check(adopting));
  FRACTAL_TRY(connection.script(how.dry_run ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN", adopting));
  FRACTAL_TRY(connection.script("SET LOCAL statement_timeout = 0; SET LOCAL fractal.writer = 'on'", adopting));
  FRACTAL_TRY_INTO(auto schema, schema_of_tables(connection));
  auto report = Adoption(connection, std::move(schema)).run(how.dry_run);
  if (report) FRACTAL_TRY(connection.script(how.dry_run ? "ROLLBACK" : "COMMIT", adopting));
  return report;
}

}  // namespace
}  // namespace fractal::postgres_backend

namespace fractal {

Result<AdoptReport> adopt_postgres(const PostgresOptions& options, const AdoptOptions& how) {
  FRACTAL_TRY_INTO(const postgres_backend::Server server, postgres_backend::server_of(options));
  if (!how.dry_run && options.read_only) {
    return make_error(Errc::unsupported, "{}: {}: opened read-only", server.name, postgres_backend::adopting);
  }
  FRACTAL_TRY_INTO(const auto connection, postgres_backend::Connection::open(server));
  connection->obey(&how.control);
  connection->be_patient(true);
  return postgres_backend::adopt(*connection, how);  // what it leaves open ends with the connection
}

}  // namespace fractal
