// Invariant: every statement that reads a range names the columns of an index in the order of that index,
// so that its cost is that of its result; tests/sqlite_query_plan_test.cpp holds them to it.
#include "backends/sqlite/statements.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#define FRACTAL_HEADER                                                                                \
  "m.id, m.sequence, m.vector_sequence, m.has_vector, m.words0, m.words1, m.words2, m.words3, "       \
  "m.coordinate_key, m.uuid, m.memory_type, m.importance, m.created_at, m.updated_at, m.expires_at, " \
  "m.version, m.accesses"
#define FRACTAL_PAYLOAD FRACTAL_HEADER ", m.metadata, m.payload"
#define FRACTAL_ALL FRACTAL_PAYLOAD ", e.embedding"
#define FRACTAL_VECTORS " LEFT JOIN sfm_vector_embeddings AS e ON e.id = m.id"
#define FRACTAL_LINK "from_key, to_key, type, strength"
#define FRACTAL_WHOLE_LINK FRACTAL_LINK ", sequence, metadata, created_at"
#define FRACTAL_SPACE                                                                                      \
  "number, tenant, namespace, sequence, last_id, horizon, memories, semantic, links, vectors, dimension, " \
  "metric, words0, words1, words2, words3, audit_records, audit_oldest, embedder"

namespace fractal::sqlite_backend {
namespace {

using Texts = std::array<SqlText, sql_count>;

struct Set {
  Texts& texts;
  constexpr void operator()(Sql sql, const char* operation, const char* text) const {
    texts[static_cast<std::size_t>(sql)] = {operation, text};
  }
};

constexpr void set_transactions(Set set) {
  set(Sql::begin_read, "begin a read", "BEGIN");
  set(Sql::begin_write, "begin a write", "BEGIN IMMEDIATE");
  set(Sql::commit, "commit", "COMMIT");
  set(Sql::savepoint, "begin a step", "SAVEPOINT step");
  set(Sql::release, "end a step", "RELEASE step");
  set(Sql::rollback_to, "undo a step", "ROLLBACK TO step");
}

constexpr void set_spaces(Set set) {
  set(Sql::setting, "read a setting", "SELECT value FROM sfm_settings WHERE name = ?1");
  set(Sql::set_setting, "write a setting",
      "INSERT INTO sfm_settings(name, value) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value");
  set(Sql::spaces, "list spaces", "SELECT tenant, namespace FROM sfm_namespaces ORDER BY tenant, namespace");
  set(Sql::fields, "read the indexed fields", "SELECT number, path FROM sfm_fields ORDER BY number");
  set(Sql::audit_number, "read a setting",
      "SELECT CAST(value AS INTEGER) FROM sfm_settings WHERE name = 'audit_number'");
  set(Sql::space_by_name, "read the space",
      "SELECT " FRACTAL_SPACE " FROM sfm_namespaces WHERE tenant = ?1 AND namespace = ?2");
  set(Sql::space_by_number, "read the space", "SELECT " FRACTAL_SPACE " FROM sfm_namespaces WHERE number = ?1");
  set(Sql::create_space, "create the space", "INSERT INTO sfm_namespaces(tenant, namespace) VALUES (?1, ?2)");
  set(Sql::save_space, "write the space",
      "UPDATE sfm_namespaces SET sequence = ?2, last_id = ?3, horizon = ?4, memories = ?5, semantic = ?6, links = ?7, "
      "vectors = ?8, dimension = ?9, metric = ?10, words0 = ?11, words1 = ?12, words2 = ?13, words3 = ?14, "
      "audit_records = ?15, audit_oldest = ?16, embedder = ?17 WHERE number = ?1");
  set(Sql::erase_space_row, "erase the space", "DELETE FROM sfm_namespaces WHERE number = ?1");
}

constexpr void set_reads(Set set) {
  set(Sql::get_header, "read a memory",
      "SELECT " FRACTAL_HEADER
      " FROM sfm_namespaces AS n CROSS JOIN sfm_memories AS m "
      "ON m.space = n.number AND m.coordinate_key = ?3 WHERE n.tenant = ?1 AND n.namespace = ?2");
  set(Sql::get_payload, "read a memory",
      "SELECT " FRACTAL_PAYLOAD
      " FROM sfm_namespaces AS n CROSS JOIN sfm_memories AS m "
      "ON m.space = n.number AND m.coordinate_key = ?3 WHERE n.tenant = ?1 AND n.namespace = ?2");
  set(Sql::get_all, "read a memory",
      "SELECT " FRACTAL_ALL
      " FROM sfm_namespaces AS n CROSS JOIN sfm_memories AS m "
      "ON m.space = n.number AND m.coordinate_key = ?3" FRACTAL_VECTORS " WHERE n.tenant = ?1 AND n.namespace = ?2");
#define FRACTAL_OF_COLUMNS(name, operation, condition)                                                       \
  set(Sql::name##_header, operation, "SELECT " FRACTAL_HEADER " FROM sfm_memories AS m WHERE " condition);   \
  set(Sql::name##_payload, operation, "SELECT " FRACTAL_PAYLOAD " FROM sfm_memories AS m WHERE " condition); \
  set(Sql::name##_all, operation, "SELECT " FRACTAL_ALL " FROM sfm_memories AS m" FRACTAL_VECTORS " WHERE " condition)
  FRACTAL_OF_COLUMNS(find, "read a memory", "m.space = ?1 AND m.coordinate_key = ?2");
  FRACTAL_OF_COLUMNS(fetch, "read a memory", "m.id = ?1");
  FRACTAL_OF_COLUMNS(scan, "read memories", "m.id > ?1 AND m.id <= ?2 ORDER BY m.id LIMIT ?3");
#undef FRACTAL_OF_COLUMNS
  set(Sql::keys_from, "read coordinates",
      "SELECT coordinate_key, id FROM sfm_memories WHERE space = ?1 AND coordinate_key >= ?2 ORDER BY coordinate_key");
  set(Sql::keys_between, "read coordinates",
      "SELECT coordinate_key, id FROM sfm_memories WHERE space = ?1 AND coordinate_key >= ?2 AND coordinate_key < ?3 "
      "ORDER BY coordinate_key");
  set(Sql::expired_of_view, "find the expired",
      "SELECT id, coordinate_key, expires_at FROM sfm_memories WHERE space = ?1 AND expires_at <= ?2 "
      "ORDER BY expires_at");
  set(Sql::expired_of_step, "find the expired",
      "SELECT " FRACTAL_HEADER
      " FROM sfm_memories AS m INDEXED BY sfm_memories_by_expires_at "
      "WHERE m.space = ?1 AND m.expires_at <= ?2 "
      "ORDER BY m.id LIMIT ?3");
  set(Sql::postings, "search keywords",
      "SELECT fractal_postings(sfm_keywords, ?4) FROM sfm_keywords WHERE sfm_keywords MATCH ?1 "
      "AND rowid BETWEEN ?2 AND ?3");
}

constexpr void set_writes(Set set) {
  set(Sql::insert_memory, "write a memory",
      "INSERT INTO sfm_memories(id, uuid, memory_type, importance, created_at, updated_at, expires_at, version, "
      "accesses, "
      "sequence, vector_sequence, has_vector, words0, words1, words2, words3, metadata, payload, space, "
      "coordinate_key) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)");
  set(Sql::update_memory, "write a memory",
      "UPDATE sfm_memories SET uuid = ?2, memory_type = ?3, importance = ?4, created_at = ?5, updated_at = ?6, "
      "expires_at = ?7, version = ?8, accesses = ?9, sequence = ?10, vector_sequence = ?11, has_vector = ?12, "
      "words0 = ?13, words1 = ?14, words2 = ?15, words3 = ?16, metadata = ?17, payload = ?18 WHERE id = ?1");
  set(Sql::erase_memory, "erase a memory", "DELETE FROM sfm_memories WHERE id = ?1");
  set(Sql::payload_of, "read a memory", "SELECT payload FROM sfm_memories WHERE id = ?1");
  set(Sql::add_accesses, "count accesses",
      "UPDATE sfm_memories SET accesses = accesses + ?3 WHERE space = ?1 AND coordinate_key = ?2");
  set(Sql::insert_vector, "write a vector",
      "INSERT INTO sfm_vector_embeddings(id, sequence, embedding) VALUES (?1, ?2, ?3)");
  set(Sql::replace_vector, "write a vector",
      "INSERT INTO sfm_vector_embeddings(id, sequence, embedding) VALUES (?1, ?2, ?3) "
      "ON CONFLICT(id) DO UPDATE SET sequence = excluded.sequence, embedding = excluded.embedding");
  set(Sql::erase_vector, "erase a vector", "DELETE FROM sfm_vector_embeddings WHERE id = ?1");
  set(Sql::insert_field_value, "write an indexed field",
      "INSERT OR IGNORE INTO sfm_field_values(space, field, value, id) VALUES (?1, ?2, ?3, ?4)");
  set(Sql::erase_field_value, "erase an indexed field",
      "DELETE FROM sfm_field_values WHERE space = ?1 AND field = ?2 AND value = ?3 AND id = ?4");
  set(Sql::erase_keywords, "erase keywords", "DELETE FROM sfm_keywords WHERE rowid = ?1");
  set(Sql::insert_keywords, "write keywords",
      "INSERT INTO sfm_keywords(rowid, c0, c1, c2, c3) VALUES (?1, ?2, ?3, ?4, ?5)");
  set(Sql::note_removal, "note a removal",
      "INSERT OR REPLACE INTO sfm_removals(space, sequence, kind, key, to_key, type, id) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  set(Sql::prune_removals, "forget removals", "DELETE FROM sfm_removals WHERE space = ?1 AND sequence <= ?2");
}

constexpr void set_links(Set set) {
  set(Sql::find_link, "read a link",
      "SELECT " FRACTAL_WHOLE_LINK
      " FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2 AND type = ?3 AND to_key = ?4");
  set(Sql::put_link, "write a link",
      "INSERT INTO sfm_graph_links(space, from_key, type, to_key, strength, sequence, created_at, metadata) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(space, from_key, type, to_key) DO UPDATE SET "
      "strength = excluded.strength, sequence = excluded.sequence, created_at = excluded.created_at, "
      "metadata = excluded.metadata");
  set(Sql::erase_link, "erase a link",
      "DELETE FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2 AND type = ?3 AND to_key = ?4");
  set(Sql::links_out_whole, "read links",
      "SELECT " FRACTAL_WHOLE_LINK " FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2 ORDER BY type, to_key");
  set(Sql::links_in_whole, "read links",
      "SELECT " FRACTAL_WHOLE_LINK " FROM sfm_graph_links WHERE space = ?1 AND to_key = ?2 ORDER BY type, from_key");
  set(Sql::links_out, "read links",
      "SELECT " FRACTAL_LINK " FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2 ORDER BY type, to_key");
  set(Sql::links_out_of_type, "read links",
      "SELECT " FRACTAL_LINK " FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2 AND type = ?3 ORDER BY to_key");
  set(Sql::links_in, "read links",
      "SELECT " FRACTAL_LINK " FROM sfm_graph_links WHERE space = ?1 AND to_key = ?2 ORDER BY type, from_key");
  set(Sql::links_in_of_type, "read links",
      "SELECT " FRACTAL_LINK " FROM sfm_graph_links WHERE space = ?1 AND to_key = ?2 AND type = ?3 ORDER BY from_key");
  set(Sql::list_links, "list links",
      "SELECT " FRACTAL_WHOLE_LINK " FROM sfm_graph_links WHERE space = ?1 ORDER BY from_key, type, to_key LIMIT ?2");
  set(Sql::list_links_after, "list links",
      "SELECT " FRACTAL_WHOLE_LINK
      " FROM sfm_graph_links WHERE space = ?1 AND (from_key, type, to_key) > (?3, ?4, ?5) "
      "ORDER BY from_key, type, to_key LIMIT ?2");
}

constexpr void set_history(Set set) {
  set(Sql::insert_audit, "write the audit log",
      "INSERT INTO sfm_audit_log(space, number, at, version, action, subject, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
      "?7)");
  set(Sql::oldest_audit_kept, "prune the audit log",
      "SELECT number FROM sfm_audit_log WHERE space = ?1 ORDER BY number LIMIT 1 OFFSET ?2");
  set(Sql::prune_audit_count, "prune the audit log", "DELETE FROM sfm_audit_log WHERE space = ?1 AND number < ?2");
  set(Sql::prune_audit_age, "prune the audit log", "DELETE FROM sfm_audit_log WHERE space = ?1 AND at < ?2");
  set(Sql::audit_bounds, "prune the audit log", "SELECT count(*), min(at) FROM sfm_audit_log WHERE space = ?1");
  set(Sql::audit_page, "read the audit log",
      "SELECT number, at, version, action, subject, payload FROM sfm_audit_log WHERE space = ?1 AND number < ?2 "
      "ORDER BY number DESC LIMIT ?3");
  set(Sql::changed_memories, "read changes",
      "SELECT sequence, coordinate_key FROM sfm_memories WHERE space = ?1 AND sequence > ?2 ORDER BY sequence");
  set(Sql::changed_links, "read changes",
      "SELECT sequence, from_key, to_key, type FROM sfm_graph_links WHERE space = ?1 AND sequence > ?2 ORDER BY "
      "sequence");
  set(Sql::removals, "read changes",
      "SELECT sequence, key, to_key, type, kind FROM sfm_removals WHERE space = ?1 AND sequence > ?2 ORDER BY "
      "sequence");
  set(Sql::every_vector, "read vectors",
      "SELECT id, sequence, embedding FROM sfm_vector_embeddings WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
  set(Sql::every_vector_with_fields, "read vectors",
      "SELECT e.id, e.sequence, e.embedding, m.coordinate_key, m.memory_type, m.created_at "
      "FROM sfm_vector_embeddings AS e JOIN sfm_memories AS m ON m.id = e.id WHERE e.id BETWEEN ?1 AND ?2 "
      "ORDER BY e.id");
  set(Sql::cleared_vectors, "read vectors",
      "SELECT id, vector_sequence FROM sfm_memories INDEXED BY sfm_memories_by_sequence "
      "WHERE space = ?1 AND sequence > 0 AND vector_sequence > 0 AND has_vector = 0");
  set(Sql::changed_vectors, "read vectors",
      "SELECT m.id, m.vector_sequence, e.embedding FROM sfm_memories AS m INDEXED BY "
      "sfm_memories_by_sequence" FRACTAL_VECTORS " WHERE m.space = ?1 AND m.sequence > ?2 AND m.vector_sequence > ?2");
  set(Sql::changed_vectors_with_fields, "read vectors",
      "SELECT m.id, m.vector_sequence, e.embedding, m.coordinate_key, m.memory_type, m.created_at "
      "FROM sfm_memories AS m INDEXED BY sfm_memories_by_sequence" FRACTAL_VECTORS
      " WHERE m.space = ?1 AND m.sequence > ?2 AND m.vector_sequence > ?2");
  set(Sql::removed_memories, "read vectors",
      "SELECT id, sequence FROM sfm_removals WHERE space = ?1 AND sequence > ?2 AND kind = 1");
  set(Sql::wipe_memories, "erase the space", "DELETE FROM sfm_memories WHERE id BETWEEN ?1 AND ?2");
  set(Sql::wipe_vectors, "erase the space", "DELETE FROM sfm_vector_embeddings WHERE id BETWEEN ?1 AND ?2");
  set(Sql::wipe_keywords, "erase the space", "DELETE FROM sfm_keywords WHERE rowid BETWEEN ?1 AND ?2");
  set(Sql::wipe_links, "erase the space", "DELETE FROM sfm_graph_links WHERE space = ?1");
  set(Sql::wipe_removals, "erase the space", "DELETE FROM sfm_removals WHERE space = ?1");
  set(Sql::wipe_audit, "erase the space", "DELETE FROM sfm_audit_log WHERE space = ?1");
  set(Sql::wipe_field_values, "erase the space", "DELETE FROM sfm_field_values WHERE space = ?1");
}

constexpr Texts all_texts() {
  Texts texts{};
  set_transactions({texts});
  set_spaces({texts});
  set_reads({texts});
  set_writes({texts});
  set_links({texts});
  set_history({texts});
  return texts;
}

constexpr Texts texts = all_texts();
static_assert(
    [] {
      for (const SqlText& text : texts) {
        if (text.sql == nullptr) return false;
      }
      return true;
    }(),
    "every statement has its text");

}  // namespace

const SqlText& sql_text(Sql sql) { return texts[static_cast<std::size_t>(sql)]; }

std::string list_text(const Scan& scan, bool last_key, Beyond beyond) {
  const bool by_key = scan.order == ListOrder::coordinate;
  const bool by_index = by_key || scan.prefix.empty();  // otherwise the subtree is sorted
  const std::string_view value = scan.order == ListOrder::created_at ? "created_at" : "importance";
  const char* const sign = scan.descending ? "<" : ">";
  const char* const direction = scan.descending ? " DESC" : "";
  std::string text = "SELECT ";
  text += scan.columns == Columns::header    ? FRACTAL_HEADER
          : scan.columns == Columns::payload ? FRACTAL_PAYLOAD
                                             : FRACTAL_ALL;
  text += " FROM sfm_memories AS m INDEXED BY sfm_memories_by_";
  text += by_key || !by_index ? "key" : value;
  if (scan.columns == Columns::all) text += FRACTAL_VECTORS;
  text += " WHERE m.space = ?1";
  // One bound a side: SQLite would seek to the first of two.
  if (!scan.prefix.empty() && !(by_key && scan.after && !scan.descending)) text += " AND m.coordinate_key >= ?2";
  if (last_key && !(by_key && scan.after && scan.descending)) text += " AND m.coordinate_key < ?3";
  if (by_key) {
    if (scan.after) text += fmt::format(" AND m.coordinate_key {} ?4", sign);
    return text + fmt::format(" ORDER BY m.coordinate_key{} LIMIT ?6", direction);
  }
  if (scan.after && !by_index) {
    text += fmt::format(" AND (+m.{}, +m.id) {} (?4, ?5)", value, sign);
  } else if (scan.after && beyond == Beyond::tie) {
    text += fmt::format(" AND m.{} = ?4 AND m.id {} ?5", value, sign);
  } else if (scan.after) {
    text += fmt::format(" AND m.{} {} ?4", value, sign);
  }
  return text + fmt::format(" ORDER BY m.{}{}, m.id{} LIMIT ?6", value, direction, direction);
}

}  // namespace fractal::sqlite_backend
