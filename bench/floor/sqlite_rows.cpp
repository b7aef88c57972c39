#include "floor/sqlite_rows.h"

#include <sqlite3.h>

#include "src/keywords.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace fractal::bench {
namespace {

void must(bool ok, sqlite3* database, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(database));
  std::abort();
}

void bind_text(sqlite3_stmt* statement, int place, std::string_view text) {
  sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

void bind_blob(sqlite3_stmt* statement, int place, const void* bytes, std::size_t size) {
  sqlite3_bind_blob(statement, place, bytes, static_cast<int>(size), SQLITE_STATIC);
}

std::int64_t column(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  must(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr) == SQLITE_OK, database, sql);
  const std::int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return value;
}

}  // namespace

SqliteRows::SqliteRows(const std::string& path) {
  must(sqlite3_open_v2(path.c_str(), &database_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK,
       database_, "open");
  must(sqlite3_exec(database_, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cache_size = -16384",
                    nullptr, nullptr, nullptr) == SQLITE_OK,
       database_, "pragma");
  begin_ = statement("BEGIN IMMEDIATE");
  commit_ = statement("COMMIT");
  row_ = statement(
      "INSERT INTO sfm_memories(id, uuid, memory_type, importance, created_at, updated_at, expires_at, version, "
      "accesses, "
      "sequence, vector_sequence, has_vector, words0, words1, words2, words3, metadata, payload, space, "
      "coordinate_key) "
      "VALUES (?1, ?2, 0, 0.0, ?3, ?3, NULL, 1, 0, ?4, ?4, 1, ?5, 0, 0, 0, '{}', ?6, ?7, ?8)");
  vector_ = statement("INSERT INTO sfm_vector_embeddings(id, sequence, embedding) VALUES (?1, ?2, ?3)");
  words_ = statement("INSERT INTO sfm_keywords(rowid, c0, c1, c2, c3) VALUES (?1, ?2, '', '', '')");
  audit_ = statement(
      "INSERT INTO sfm_audit_log(space, number, at, version, action, subject, payload) VALUES (?1, ?2, ?3, 1, "
      "'create', ?4, '')");
  space_ = statement(
      "UPDATE sfm_namespaces SET sequence = ?2, last_id = ?3, memories = ?3, vectors = ?3, words0 = ?4, audit_records "
      "= ?3 "
      "WHERE number = ?1");
  number_ = statement("UPDATE sfm_settings SET value = ?1 WHERE name = 'audit_number'");
  get_ = statement(
      "SELECT m.id, m.uuid, m.memory_type, m.importance, m.created_at, m.updated_at, m.expires_at, m.version, "
      "m.accesses, "
      "m.metadata, m.payload, e.embedding FROM sfm_memories AS m LEFT JOIN sfm_vector_embeddings AS e ON e.id = m.id "
      "WHERE m.space = (SELECT number FROM sfm_namespaces WHERE tenant = 'default' AND namespace = 'default') "
      "AND m.coordinate_key = ?1");
  match_ = statement(
      "SELECT k.rowid, m.payload FROM sfm_keywords AS k JOIN sfm_memories AS m ON m.id = k.rowid "
      "WHERE sfm_keywords MATCH ?1 ORDER BY rank LIMIT ?2");
  targets_ = statement("SELECT to_key FROM sfm_graph_links WHERE space = ?1 AND from_key = ?2");
  space_number_ = column(database_, "SELECT number FROM sfm_namespaces WHERE tenant = 'default'");
  last_id_ = column(database_, "SELECT last_id FROM sfm_namespaces WHERE tenant = 'default'");
  sequence_ = column(database_, "SELECT sequence FROM sfm_namespaces WHERE tenant = 'default'");
  word_total_ = column(database_, "SELECT words0 FROM sfm_namespaces WHERE tenant = 'default'");
  audit_number_ = column(database_, "SELECT value FROM sfm_settings WHERE name = 'audit_number'");
}

SqliteRows::~SqliteRows() {
  for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

sqlite3_stmt* SqliteRows::statement(const char* sql) {
  sqlite3_stmt* made = nullptr;
  must(sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr) == SQLITE_OK, database_, sql);
  statements_.push_back(made);
  return made;
}

void SqliteRows::run(sqlite3_stmt* statement) {
  must(sqlite3_step(statement) == SQLITE_DONE, database_, "write");
  sqlite3_reset(statement);
}

SqliteRows::Ready SqliteRows::prepare(const Memory& memory) {
  const Keywords keywords = TextFields::standard().keywords(memory.payload);
  return {memory.coordinate.key(),       memory.payload,   keywords.text[0],
          memory.coordinate.to_string(), memory.embedding, keywords.words[0]};
}

void SqliteRows::begin() { run(begin_); }
void SqliteRows::commit() { run(commit_); }

void SqliteRows::store(std::span<const Ready> memories) {
  begin();
  for (const Ready& memory : memories) {
    const std::int64_t id = (space_number_ << 40) | ++last_id_;
    ++sequence_;
    ++now_;
    word_total_ += memory.word_count;
    const std::int64_t uuid[2] = {now_, id};
    sqlite3_bind_int64(row_, 1, id);
    bind_blob(row_, 2, uuid, sizeof uuid);
    sqlite3_bind_int64(row_, 3, now_);
    sqlite3_bind_int64(row_, 4, sequence_);
    sqlite3_bind_int64(row_, 5, memory.word_count);
    bind_text(row_, 6, memory.payload);
    sqlite3_bind_int64(row_, 7, space_number_);
    bind_blob(row_, 8, memory.key.data(), memory.key.size());
    run(row_);
    sqlite3_bind_int64(vector_, 1, id);
    sqlite3_bind_int64(vector_, 2, sequence_);
    bind_blob(vector_, 3, memory.embedding.data(), memory.embedding.size() * sizeof(float));
    run(vector_);
    sqlite3_bind_int64(words_, 1, id);
    bind_text(words_, 2, memory.words);
    run(words_);
    sqlite3_bind_int64(audit_, 1, space_number_);
    sqlite3_bind_int64(audit_, 2, ++audit_number_);
    sqlite3_bind_int64(audit_, 3, now_);
    bind_text(audit_, 4, memory.subject);
    run(audit_);
  }
  sqlite3_bind_int64(space_, 1, space_number_);
  sqlite3_bind_int64(space_, 2, sequence_);
  sqlite3_bind_int64(space_, 3, last_id_);
  sqlite3_bind_int64(space_, 4, word_total_);
  run(space_);
  sqlite3_bind_int64(number_, 1, audit_number_);
  run(number_);
  commit();
}

std::size_t SqliteRows::retrieve(const std::string& key) {
  bind_blob(get_, 1, key.data(), key.size());
  std::size_t bytes = 0;
  if (sqlite3_step(get_) == SQLITE_ROW) {
    const auto* payload = reinterpret_cast<const char*>(sqlite3_column_text(get_, 10));
    const std::string copy(payload, static_cast<std::size_t>(sqlite3_column_bytes(get_, 10)));
    const auto* vector = static_cast<const float*>(sqlite3_column_blob(get_, 11));
    const std::vector<float> floats(vector, vector + sqlite3_column_bytes(get_, 11) / static_cast<int>(sizeof(float)));
    bytes = copy.size() + floats.size();
  }
  sqlite3_reset(get_);
  return bytes;
}

std::size_t SqliteRows::search(const std::vector<std::string>& words, int limit) {
  std::string query;
  for (const std::string& word : words) query += (query.empty() ? "\"" : " OR \"") + word + "\"";
  bind_text(match_, 1, query);
  sqlite3_bind_int(match_, 2, limit);
  std::size_t bytes = 0;
  while (sqlite3_step(match_) == SQLITE_ROW) {
    sqlite3_column_text(match_, 1);
    bytes += static_cast<std::size_t>(sqlite3_column_bytes(match_, 1));
  }
  sqlite3_reset(match_);
  return bytes;
}

void SqliteRows::targets(const std::string& key, std::vector<std::string>& out) {
  sqlite3_bind_int64(targets_, 1, space_number_);
  bind_blob(targets_, 2, key.data(), key.size());
  while (sqlite3_step(targets_) == SQLITE_ROW) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(targets_, 0));
    out.emplace_back(bytes, static_cast<std::size_t>(sqlite3_column_bytes(targets_, 0)));
  }
  sqlite3_reset(targets_);
}

}  // namespace fractal::bench
