// Every fixed statement. Each that touches a space's rows is bound to the number of that space, or to ids of its range.
#ifndef FRACTAL_BACKENDS_POSTGRES_STATEMENTS_H
#define FRACTAL_BACKENDS_POSTGRES_STATEMENTS_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

#define FRACTAL_HEADER                                                                                             \
  "m.fm_id, m.fm_sequence, m.fm_vector_sequence, m.fm_has_vector, m.fm_words0, m.fm_words1, m.fm_words2, "         \
  "m.fm_words3, m.fm_key, m.fm_uuid, m.fm_type, m.importance, m.fm_created_at, m.fm_updated_at, m.fm_expires_at, " \
  "m.fm_version, m.fm_accesses, m.fm_unindexed"
#define FRACTAL_PAYLOAD FRACTAL_HEADER ", m.fm_metadata, m.fm_payload"
#define FRACTAL_ALL FRACTAL_PAYLOAD ", e.fm_embedding"
#define FRACTAL_VECTORS " LEFT JOIN sfm_vector_embeddings AS e ON e.fm_id = m.fm_id"
#define FRACTAL_LINK "fm_from, fm_to, fm_type, strength"
#define FRACTAL_WHOLE_LINK FRACTAL_LINK ", fm_sequence, fm_metadata, fm_created_at"
#define FRACTAL_SPACE                                                                                        \
  "fm_number, fm_tenant, fm_name, fm_sequence, fm_last_id, fm_horizon, fm_memories, fm_semantic, fm_links, " \
  "fm_vectors, fm_dimension, fm_metric, fm_words0, fm_words1, fm_words2, fm_words3, fm_audit_records, "      \
  "fm_audit_oldest, fm_embedder, "                                                                           \
  "CASE WHEN fm_tokens = '' THEN '' ELSE substr(fm_tokens, 1, 8) || convert_to(xmin::text, 'UTF8') END"
// Whether this role sees of the tables only what it names: another program may have added row security meanwhile.
#define FRACTAL_BORDER ", row_security_active('sfm_memories'::regclass)"
#define FRACTAL_LOCKED_SPACE FRACTAL_SPACE FRACTAL_BORDER ", fm_commits"
// A time for people, of microseconds: the server's own times end in the year 294276.
#define FRACTAL_TIME(number) \
  "timestamptz 'epoch' + least(greatest(" number ", 0), 9000000000000000) * interval '1 microsecond'"

namespace fractal::postgres_backend {

inline constexpr int space_columns = 20, whole_link_columns = 7;  // of FRACTAL_SPACE and FRACTAL_WHOLE_LINK

// The same statement for each choice of columns.
struct OfColumns {
  Statement header, payload, all;
  const Statement& operator[](Columns columns) const {
    return columns == Columns::header ? header : columns == Columns::payload ? payload : all;
  }
};
#define FRACTAL_OF_COLUMNS(operation, from, condition)                                   \
  {                                                                                      \
    {operation, "SELECT " FRACTAL_HEADER " FROM " from " WHERE " condition},             \
        {operation, "SELECT " FRACTAL_PAYLOAD " FROM " from " WHERE " condition}, {      \
      operation, "SELECT " FRACTAL_ALL " FROM " from FRACTAL_VECTORS " WHERE " condition \
    }                                                                                    \
  }

namespace sql {

inline constexpr Statement begin_read{"begin a read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
inline constexpr Statement begin_write{"begin a write", "BEGIN"};
// The triggers for other programs leave the transaction alone.
inline constexpr Statement mark_writer{"begin a write", "SELECT set_config('fractal.writer', 'on', true)"};
inline constexpr Statement commit{"commit", "COMMIT"};
// The same, and whoever goes without a word holds no lock for longer than that.
inline constexpr Statement mark_and_limit{"begin a write",
                                          "SELECT set_config('idle_in_transaction_session_timeout', $1, true), "
                                          "set_config('fractal.writer', 'on', true)"};
inline constexpr Statement notify{"tell others", "SELECT pg_notify('fractal_changes', $1)"};
inline constexpr Statement savepoint{"begin a step", "SAVEPOINT step"};
inline constexpr Statement release{"end a step", "RELEASE step"};
// Ends the scan of the statement before it.
inline constexpr Statement nothing{"read", "SELECT"};
inline constexpr Statement rollback_to{"undo a step", "ROLLBACK TO step"};

// ---- Spaces and settings ----

inline constexpr Statement setting{"read a setting", "SELECT value FROM sfm_settings WHERE name = 'core.' || $1"};
inline constexpr Statement set_setting{"write a setting",
                                       "INSERT INTO sfm_settings(name, value) VALUES ('core.' || $1, $2) "
                                       "ON CONFLICT(name) DO UPDATE SET value = excluded.value"};
inline constexpr Statement spaces{
    "list spaces", "SELECT fm_tenant, fm_name FROM sfm_namespaces WHERE fm_number IS NOT NULL ORDER BY 1, 2"};
inline constexpr Statement fields{"read the indexed fields", "SELECT number, path FROM sfm_fields ORDER BY number"};
inline constexpr Statement space_by_name{"read the space",
                                         "SELECT " FRACTAL_SPACE FRACTAL_BORDER
                                         " FROM sfm_namespaces WHERE fm_tenant = $1 AND fm_name = $2"};
// When the first of its memories expires: most views need not ask which have.
inline constexpr Statement first_expiry{
    "read the space",
    "SELECT (SELECT min(fm_expires_at) FROM sfm_memories WHERE fm_space = n.fm_number AND fm_expires_at IS NOT NULL) "
    "FROM sfm_namespaces AS n WHERE n.fm_tenant = $1 AND n.fm_name = $2"};
inline constexpr Statement lock_by_name{"read the space",
                                        "SELECT " FRACTAL_LOCKED_SPACE
                                        " FROM sfm_namespaces WHERE fm_tenant = $1 AND fm_name = $2 FOR UPDATE"};
inline constexpr Statement lock_by_number{
    "read the space", "SELECT " FRACTAL_LOCKED_SPACE " FROM sfm_namespaces WHERE fm_number = $1 FOR UPDATE"};
inline constexpr Statement lock_by_names{"read the space", "SELECT " FRACTAL_LOCKED_SPACE
                                                           " FROM sfm_namespaces WHERE (fm_tenant, fm_name) IN "
                                                           "(SELECT * FROM unnest($1::bytea[], $2::bytea[])) "
                                                           "ORDER BY fm_tenant, fm_name FOR UPDATE"};
inline constexpr Statement lock_commits{
    "find out about a commit", "SELECT fm_commits, fm_tokens FROM sfm_namespaces WHERE fm_number = $1 FOR UPDATE"};
inline constexpr Statement create_space{
    "create the space",
    "INSERT INTO sfm_namespaces(fm_number, fm_tenant, fm_name, tenant, name) "
    "VALUES (nextval('sfm_space_numbers'), $1, $2, left($3, 255), left($4, 255)) "
    "ON CONFLICT(fm_tenant, fm_name) DO NOTHING RETURNING fm_number" FRACTAL_BORDER};
inline constexpr Statement save_space{
    "write the space",
    "UPDATE sfm_namespaces SET fm_sequence = $2, fm_last_id = $3, fm_horizon = $4, fm_memories = $5, fm_semantic = $6, "
    "fm_links = $7, fm_vectors = $8, fm_dimension = $9, fm_metric = $10, fm_words0 = $11, fm_words1 = $12, fm_words2 = "
    "$13, "
    "fm_words3 = $14, fm_audit_records = $15, fm_audit_oldest = $16, fm_embedder = $17, "
    "fm_commits = fm_commits + 1, fm_tokens = substr($18 || fm_tokens, 1, 256), "
    "total_memories = least($5, 2147483647)::integer, semantic_count = least($6, 2147483647)::integer, "
    "episodic_count = least($5 - $6, 2147483647)::integer, updated_at = now() WHERE fm_number = $1"};
inline constexpr Statement erase_space{"erase the space", "DELETE FROM sfm_namespaces WHERE fm_number = $1"};

// ---- Reads ----

inline constexpr OfColumns get = FRACTAL_OF_COLUMNS(
    "read a memory", "sfm_namespaces AS n JOIN sfm_memories AS m ON m.fm_space = n.fm_number AND m.fm_key = $3",
    "n.fm_tenant = $1 AND n.fm_name = $2");
inline constexpr OfColumns find =
    FRACTAL_OF_COLUMNS("read a memory", "sfm_memories AS m", "m.fm_space = $1 AND m.fm_key = $2");
inline constexpr OfColumns find_many = FRACTAL_OF_COLUMNS(
    "read memories",
    "unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(tenant, name, key) JOIN sfm_namespaces AS n ON "
    "n.fm_tenant = w.tenant AND n.fm_name = w.name JOIN sfm_memories AS m ON m.fm_space = n.fm_number AND m.fm_key = "
    "w.key",
    "true");
inline constexpr OfColumns fetch =
    FRACTAL_OF_COLUMNS("read memories", "sfm_memories AS m", "m.fm_space = $1 AND m.fm_id = ANY($2) ORDER BY m.fm_id");
inline constexpr OfColumns scan =
    FRACTAL_OF_COLUMNS("read memories", "sfm_memories AS m",
                       "m.fm_space = $4 AND m.fm_id > $1 AND m.fm_id <= $2 ORDER BY m.fm_id LIMIT $3");
inline constexpr Statement keys{"read coordinates",
                                "SELECT fm_key, fm_id FROM sfm_memories WHERE fm_space = $1 AND fm_key >= $2 AND "
                                "($3::bytea IS NULL OR fm_key < $3) "
                                "ORDER BY fm_key LIMIT $4"};
inline constexpr Statement first_expiries{
    "find the expired",
    "SELECT n.fm_number, (SELECT min(fm_expires_at) FROM sfm_memories WHERE fm_space = n.fm_number AND "
    "fm_expires_at IS NOT NULL) FROM sfm_namespaces AS n WHERE (n.fm_tenant, n.fm_name) IN "
    "(SELECT * FROM unnest($1::bytea[], $2::bytea[]))"};
inline constexpr Statement expired_of_view{
    "find the expired",
    "SELECT fm_id, fm_key, fm_expires_at FROM sfm_memories WHERE fm_space = $1 AND fm_expires_at <= $2 "
    "ORDER BY fm_expires_at"};
inline constexpr Statement expired_of_step{"find the expired",
                                           "SELECT " FRACTAL_HEADER
                                           " FROM sfm_memories AS m WHERE m.fm_space = $1 AND m.fm_expires_at <= $2 "
                                           "ORDER BY m.fm_id LIMIT $3"};
inline constexpr Statement unindexed{
    "look for rows of other programs",
    "SELECT n.fm_tenant, n.fm_name, m.fm_id, m.fm_key FROM sfm_memories AS m JOIN sfm_namespaces AS n ON n.fm_number = "
    "m.fm_space WHERE m.fm_unindexed AND (m.fm_space, m.fm_id) > ($1, $2) ORDER BY m.fm_space, m.fm_id LIMIT $3"};
inline constexpr Statement count_unindexed{"look for rows of other programs",
                                           "SELECT count(*) FROM sfm_memories WHERE fm_unindexed"};
inline constexpr Statement postings{
    "search keywords",
    "SELECT k.id, k.words0, k.words1, k.words2, k.words3, t.term, t.c0, t.c1, t.c2, t.c3 FROM sfm_keywords AS k, "
    "LATERAL unnest(k.terms, k.c0, k.c1, k.c2, k.c3) AS t(term, c0, c1, c2, c3) "
    "WHERE k.terms && $1 AND t.term = ANY($1) ORDER BY k.id"};

// ---- Writes ----

inline constexpr Statement insert_memory{
    "write a memory",
    "INSERT INTO sfm_memories(fm_id, fm_uuid, fm_type, importance, fm_created_at, fm_updated_at, fm_expires_at, "
    "fm_version, fm_accesses, fm_sequence, fm_vector_sequence, fm_has_vector, fm_words0, fm_words1, fm_words2, fm_words3, "
    "fm_metadata, fm_payload, fm_space, fm_key, metadata, payload, coordinate, coordinate_key, tenant, namespace, "
    "memory_type, created_at, updated_at, access_count, id) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21::jsonb, "
    "$22::jsonb, $23, $24, left($25, 255), left($26, 255), "
    "CASE $3 WHEN 0 THEN 'episodic' ELSE 'semantic' END, " FRACTAL_TIME("$5") ", " FRACTAL_TIME("$6") ", "
    "least(greatest($9, 0), 2147483647)::integer, "
    "CASE WHEN EXISTS (SELECT FROM sfm_memories WHERE id = encode($2, 'hex')::uuid) THEN gen_random_uuid() "
    "ELSE encode($2, 'hex')::uuid END)"};
inline constexpr Statement update_memory{
    "write a memory",
    "UPDATE sfm_memories SET fm_uuid = $2, fm_type = $3, importance = $4, fm_created_at = $5, fm_updated_at = $6, "
    "fm_expires_at = $7, fm_version = $8, fm_accesses = $9, fm_sequence = $10, fm_vector_sequence = $11, "
    "fm_has_vector = $12, fm_words0 = $13, fm_words1 = $14, fm_words2 = $15, fm_words3 = $16, fm_metadata = $17, "
    "fm_payload = $18, metadata = $20::jsonb, payload = $21::jsonb, "
    "memory_type = CASE $3 WHEN 0 THEN 'episodic' ELSE 'semantic' END, created_at = " FRACTAL_TIME("$5") ", "
    "updated_at = " FRACTAL_TIME("$6") ", access_count = least(greatest($9, 0), 2147483647)::integer, fm_unindexed = $22 "
    "WHERE fm_space = $19 AND fm_id = $1"};
inline constexpr Statement erase_memory{"erase a memory",
                                        "DELETE FROM sfm_memories WHERE fm_space = $1 AND fm_id = $2"};
inline constexpr Statement add_accesses{
    "count accesses",
    "UPDATE sfm_memories SET fm_accesses = fm_accesses + $3, "
    "access_count = least(fm_accesses + $3, 2147483647)::integer WHERE fm_space = $1 AND fm_key = $2"};
inline constexpr Statement put_vector{
    "write a vector",
    "INSERT INTO sfm_vector_embeddings(fm_id, fm_sequence, fm_embedding, vector_dim) "
    "VALUES ($1, $2, $3, octet_length($3) / 4) ON CONFLICT(fm_id) DO UPDATE SET fm_sequence = excluded.fm_sequence, "
    "fm_embedding = excluded.fm_embedding, vector_dim = excluded.vector_dim"};
inline constexpr Statement erase_vector{"erase a vector", "DELETE FROM sfm_vector_embeddings WHERE fm_id = $1"};
inline constexpr Statement put_keywords{
    "write keywords",
    "INSERT INTO sfm_keywords(id, terms, c0, c1, c2, c3, words0, words1, words2, words3) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
    "ON CONFLICT(id) DO UPDATE SET terms = excluded.terms, c0 = excluded.c0, c1 = excluded.c1, c2 = excluded.c2, "
    "c3 = excluded.c3, words0 = excluded.words0, words1 = excluded.words1, words2 = excluded.words2, "
    "words3 = excluded.words3"};
inline constexpr Statement erase_keywords{"erase keywords", "DELETE FROM sfm_keywords WHERE id = $1"};
inline constexpr Statement put_field_value{
    "write an indexed field",
    "INSERT INTO sfm_field_values(space, field, kind, number, text, id) VALUES ($1, $2, $3, $4, $5, $6)"};
inline constexpr Statement erase_field_values{"erase indexed fields",
                                              "DELETE FROM sfm_field_values WHERE space = $1 AND id = $2"};
inline constexpr Statement note_removal{
    "note a removal",
    "INSERT INTO sfm_removals(space, sequence, kind, key, to_key, type, id) VALUES ($1, $2, $3, $4, $5, $6, $7) "
    "ON CONFLICT(space, sequence, kind, key, to_key, type) DO UPDATE SET id = excluded.id"};
inline constexpr Statement prune_removals{"forget removals",
                                          "DELETE FROM sfm_removals WHERE space = $1 AND sequence <= $2"};

// ---- Links ----

inline constexpr Statement find_link{
    "read a link", "SELECT " FRACTAL_WHOLE_LINK
                   " FROM sfm_graph_links WHERE fm_space = $1 AND fm_from = $2 AND fm_type = $3 AND fm_to = $4"};
inline constexpr Statement find_links{
    "read links",
    "SELECT l.fm_from, l.fm_to, l.fm_type, l.strength, l.fm_sequence, l.fm_metadata, l.fm_created_at, n.fm_number FROM "
    "unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[]) AS w(tenant, name, source, type, target) "
    "JOIN sfm_namespaces AS n ON n.fm_tenant = w.tenant AND n.fm_name = w.name JOIN sfm_graph_links AS l ON "
    "l.fm_space = n.fm_number AND l.fm_from = w.source AND l.fm_type = w.type AND l.fm_to = w.target"};
inline constexpr Statement put_link{
    "write a link",
    "INSERT INTO sfm_graph_links(fm_space, fm_from, fm_type, fm_to, strength, fm_sequence, fm_created_at, fm_metadata, "
    "metadata, from_coordinate, from_coordinate_key, to_coordinate, to_coordinate_key, link_type, tenant, namespace, "
    "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, left($11, 512), $12, left($13, 512), "
    "left($14, 100), left($15, 255), left($16, 255), " FRACTAL_TIME("$7") ") "
    "ON CONFLICT(fm_space, fm_from, fm_type, fm_to) DO UPDATE SET strength = excluded.strength, "
    "fm_sequence = excluded.fm_sequence, fm_created_at = excluded.fm_created_at, fm_metadata = excluded.fm_metadata, "
    "metadata = excluded.metadata, created_at = excluded.created_at"};
inline constexpr Statement erase_link{
    "erase a link", "DELETE FROM sfm_graph_links WHERE fm_space = $1 AND fm_from = $2 AND fm_type = $3 AND fm_to = $4"};
inline constexpr Statement links_of{"read links",
                                    "SELECT " FRACTAL_WHOLE_LINK
                                    " FROM sfm_graph_links WHERE fm_space = $1 AND (fm_from = $2 OR fm_to = $2) "
                                    "ORDER BY fm_from, fm_type, fm_to"};
inline constexpr Statement links_out{
    "read links",
    "SELECT " FRACTAL_LINK
    " FROM sfm_graph_links WHERE fm_space = $1 AND fm_from = ANY($2) AND ($3::bytea IS NULL OR fm_type = $3) "
    "ORDER BY fm_from, fm_type, fm_to"};
inline constexpr Statement links_in{
    "read links",
    "SELECT " FRACTAL_LINK
    " FROM sfm_graph_links WHERE fm_space = $1 AND fm_to = ANY($2) AND ($3::bytea IS NULL OR fm_type = $3) "
    "ORDER BY fm_to, fm_type, fm_from"};
inline constexpr Statement list_links{
    "list links",
    "SELECT " FRACTAL_WHOLE_LINK " FROM sfm_graph_links WHERE fm_space = $1 ORDER BY fm_from, fm_type, fm_to LIMIT $2"};
inline constexpr Statement list_links_after{
    "list links", "SELECT " FRACTAL_WHOLE_LINK
                  " FROM sfm_graph_links WHERE fm_space = $1 AND (fm_from, fm_type, fm_to) > ($3, $4, $5) "
                  "ORDER BY fm_from, fm_type, fm_to LIMIT $2"};

// ---- History ----

inline constexpr Statement insert_audit{
    "write the audit log",
    "INSERT INTO sfm_audit_log(fm_space, fm_number, fm_at, fm_version, action, fm_subject, fm_payload, coordinate_key, "
    "tenant, namespace, timestamp) VALUES ($1, nextval('sfm_audit_numbers'), $2, $3, $4, $5, $6, left($7, 512), "
    "left($8, 255), left($9, 255), " FRACTAL_TIME("$2") ")"};
inline constexpr Statement oldest_audit_kept{
    "prune the audit log",
    "SELECT fm_number FROM sfm_audit_log WHERE fm_space = $1 ORDER BY fm_number OFFSET $2 LIMIT 1"};
inline constexpr Statement prune_audit_count{"prune the audit log",
                                             "DELETE FROM sfm_audit_log WHERE fm_space = $1 AND fm_number < $2"};
inline constexpr Statement prune_audit_age{"prune the audit log",
                                           "DELETE FROM sfm_audit_log WHERE fm_space = $1 AND fm_at < $2"};
inline constexpr Statement audit_bounds{"prune the audit log",
                                        "SELECT count(*), min(fm_at) FROM sfm_audit_log WHERE fm_space = $1"};
inline constexpr Statement audit_page{
    "read the audit log",
    "SELECT fm_number, fm_at, fm_version, action, fm_subject, fm_payload FROM sfm_audit_log "
    "WHERE fm_space = $1 AND fm_number < $2 ORDER BY fm_number DESC LIMIT $3"};
inline constexpr Statement changes{
    "read changes",
    "SELECT * FROM (SELECT fm_sequence AS sequence, 0::bigint AS kind, fm_key, ''::bytea, ''::bytea FROM sfm_memories "
    "WHERE fm_space = $1 AND fm_sequence > $2 UNION ALL "
    "SELECT fm_sequence, 2, fm_from, fm_to, fm_type FROM sfm_graph_links WHERE fm_space = $1 AND fm_sequence > $2 "
    "UNION ALL SELECT sequence, kind, key, to_key, type FROM sfm_removals WHERE space = $1 AND sequence > $2) AS c "
    "ORDER BY sequence LIMIT $3"};
inline constexpr Statement every_vector{
    "read vectors",
    "SELECT fm_id, fm_sequence, fm_embedding FROM sfm_vector_embeddings WHERE fm_id > $1 AND fm_id <= $2 "
    "ORDER BY fm_id LIMIT $3"};
inline constexpr Statement every_vector_with_fields{
    "read vectors",
    "SELECT e.fm_id, e.fm_sequence, e.fm_embedding, m.fm_key, m.fm_type, m.fm_created_at FROM sfm_vector_embeddings AS "
    "e "
    "JOIN sfm_memories AS m ON m.fm_id = e.fm_id WHERE e.fm_id > $1 AND e.fm_id <= $2 ORDER BY e.fm_id LIMIT $3"};
inline constexpr Statement cleared_vectors{"read vectors",
                                           "SELECT fm_id, fm_vector_sequence FROM sfm_memories WHERE fm_space = $1 AND "
                                           "fm_vector_sequence > 0 AND NOT fm_has_vector"};
inline constexpr Statement changed_vectors{
    "read vectors",
    "SELECT m.fm_id, m.fm_vector_sequence, e.fm_embedding, m.fm_key, m.fm_type, m.fm_created_at "
    "FROM sfm_memories AS m" FRACTAL_VECTORS
    " WHERE m.fm_space = $1 AND m.fm_sequence > $2 AND m.fm_vector_sequence > $2 AND m.fm_id > $3 "
    "ORDER BY m.fm_id LIMIT $4"};
inline constexpr Statement removed_memories{
    "read vectors", "SELECT id, sequence FROM sfm_removals WHERE space = $1 AND sequence > $2 AND kind = 1"};

inline constexpr Statement wipe_of_space[] = {{"erase the space", "DELETE FROM sfm_memories WHERE fm_space = $1"},
                                              {"erase the space", "DELETE FROM sfm_graph_links WHERE fm_space = $1"},
                                              {"erase the space", "DELETE FROM sfm_removals WHERE space = $1"},
                                              {"erase the space", "DELETE FROM sfm_audit_log WHERE fm_space = $1"},
                                              {"erase the space", "DELETE FROM sfm_field_values WHERE space = $1"},
                                              erase_space};
inline constexpr Statement wipe_of_range[] = {
    {"erase the space", "DELETE FROM sfm_vector_embeddings WHERE fm_id BETWEEN $1 AND $2"},
    {"erase the space", "DELETE FROM sfm_keywords WHERE id BETWEEN $1 AND $2"}};

}  // namespace sql
}  // namespace fractal::postgres_backend

#endif
