// Invariant: either each table with rows of spaces has its policy, or none has.
#include "backends/postgres/row_security.h"

#include "src/error.h"

#include <string>

namespace fractal::postgres_backend {
namespace {

constexpr Statement look{"look for row security",
                         "SELECT relrowsecurity FROM pg_class WHERE oid = 'sfm_memories'::regclass"};

// FORCE: for the owner of the tables, too, as whom we are usually there. Superusers see everything nevertheless.
constexpr const char* add = R"sql(
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN SELECT * FROM (VALUES
    ('sfm_memories', 'fm_space'), ('sfm_graph_links', 'fm_space'), ('sfm_audit_log', 'fm_space'),
    ('sfm_removals', 'space'), ('sfm_field_values', 'space'),
    ('sfm_vector_embeddings', 'fm_id >> 40'), ('sfm_keywords', 'id >> 40')) AS t(name, space)
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', one.name);
    EXECUTE format('CREATE POLICY fractal_spaces ON %I USING (CASE current_setting(''fractal.spaces'', true) '
      'WHEN ''all'' THEN true ELSE (%s) = ANY(NULLIF(current_setting(''fractal.spaces'', true), '''')::bigint[]) END)',
      one.name, one.space);
  END LOOP;
END
$$)sql";

}  // namespace

Result<bool> has_row_security(Connection& connection) {
  FRACTAL_TRY_INTO(const Rows rows, connection.run(look));
  return rows.count() > 0 && rows.integer(0, 0) != 0;
}

// The lock lets one program in after the other.
Result<void> add_row_security(Connection& connection) {
  FRACTAL_TRY(connection.script("BEGIN; LOCK TABLE sfm_memories IN ACCESS EXCLUSIVE MODE", "add row security"));
  FRACTAL_TRY_INTO(const bool there, has_row_security(connection));
  if (!there) FRACTAL_TRY(connection.script(add, "add row security"));
  return connection.script("COMMIT", "add row security");
}

}  // namespace fractal::postgres_backend
