// Invariant: find_problems() changes nothing, and after mend() it finds nothing: sfm_memories,
// sfm_graph_links and sfm_vector_embeddings are what is believed, the rest is made to agree with them.
#include "backends/sqlite/verify.h"

#include "backends/sqlite/field_values.h"
#include "src/error.h"

namespace fractal::sqlite_backend {
namespace {

using Sentences = std::vector<std::string>;

constexpr std::size_t most_sentences_a_kind = 100;

// Each counts what must not be there; the sentence begins with the count.
struct Rule {
  const char* sql;
  const char* sentence;
};
constexpr Rule rules[] = {
    {"SELECT count(*) FROM sfm_memories WHERE space <> id >> 40", "memories have an id of another space"},
    {"SELECT count(*) FROM sfm_memories AS m WHERE NOT EXISTS (SELECT 1 FROM sfm_namespaces WHERE number = m.space)",
     "memories belong to no space"},
    {"SELECT count(*) FROM sfm_graph_links AS l WHERE NOT EXISTS (SELECT 1 FROM sfm_namespaces WHERE number = l.space)",
     "links belong to no space"},
    {"SELECT count(*) FROM sfm_vector_embeddings AS e WHERE NOT EXISTS (SELECT 1 FROM sfm_memories WHERE id = e.id)",
     "vectors belong to no memory"},
    {"SELECT count(*) FROM sfm_memories AS m WHERE has_vector <> EXISTS (SELECT 1 FROM sfm_vector_embeddings WHERE id "
     "= m.id)",
     "memories are wrong about having a vector"},
    {"SELECT count(*) FROM sfm_memories AS m JOIN sfm_vector_embeddings AS e ON e.id = m.id "
     "WHERE e.sequence <> m.vector_sequence",
     "vectors have another sequence number than their memory says"},
    {"SELECT count(*) FROM sfm_vector_embeddings AS e JOIN sfm_namespaces AS n ON n.number = e.id >> 40 "
     "WHERE length(e.embedding) <> 4 * n.dimension",
     "vectors have another dimension than their space"},
    {"SELECT count(*) FROM sfm_memories AS m WHERE words0 + words1 + words2 + words3 > 0 "
     "AND NOT EXISTS (SELECT 1 FROM sfm_keywords_docsize WHERE id = m.id)",
     "memories lack their keywords"},
    {"SELECT count(*) FROM sfm_keywords_docsize AS d WHERE NOT EXISTS (SELECT 1 FROM sfm_memories WHERE id = d.id)",
     "keyword entries belong to no memory"},
};

// What the rows say that a record of sfm_namespaces must say, too. NULL: there is no record of that name.
#define FRACTAL_TRUE_MEMORIES                                                                        \
  "SELECT space, count(*) AS memories, sum(memory_type = 1) AS semantic, sum(words0) AS words0, "    \
  "sum(words1) AS words1, sum(words2) AS words2, sum(words3) AS words3, max(sequence) AS sequence, " \
  "max(id) & 1099511627775 AS last_id FROM sfm_memories GROUP BY space"
#define FRACTAL_TRUE_LINKS \
  "SELECT space, count(*) AS links, max(sequence) AS sequence FROM sfm_graph_links GROUP BY space"
#define FRACTAL_TRUE_VECTORS \
  "SELECT id >> 40 AS space, count(*) AS vectors, max(length(embedding)) / 4 AS dimension \
  FROM sfm_vector_embeddings GROUP BY id >> 40"
#define FRACTAL_TRUE_AUDIT "SELECT space, count(*) AS records, min(at) AS oldest FROM sfm_audit_log GROUP BY space"

constexpr const char* compare_counters =
    "WITH m AS MATERIALIZED (" FRACTAL_TRUE_MEMORIES "), l AS MATERIALIZED (" FRACTAL_TRUE_LINKS
    "), v AS MATERIALIZED (" FRACTAL_TRUE_VECTORS "), a AS MATERIALIZED (" FRACTAL_TRUE_AUDIT
    ") "
    "SELECT n.tenant || '/' || n.namespace, n.memories, ifnull(m.memories, 0), n.semantic, ifnull(m.semantic, 0), "
    "n.links, ifnull(l.links, 0), n.vectors, ifnull(v.vectors, 0), n.words0, ifnull(m.words0, 0), n.words1, "
    "ifnull(m.words1, 0), n.words2, ifnull(m.words2, 0), n.words3, ifnull(m.words3, 0), n.audit_records, "
    "ifnull(a.records, 0), n.sequence, max(ifnull(m.sequence, 0), ifnull(l.sequence, 0)), n.last_id, ifnull(m.last_id, "
    "0) "
    "FROM sfm_namespaces AS n LEFT JOIN m ON m.space = n.number LEFT JOIN l ON l.space = n.number "
    "LEFT JOIN v ON v.space = n.number LEFT JOIN a ON a.space = n.number";
constexpr const char* counted[] = {"memories",          "semantic memories", "links",
                                   "vectors",           "words of column 0", "words of column 1",
                                   "words of column 2", "words of column 3", "audit records"};

constexpr const char* mend_counters =
    "UPDATE sfm_namespaces AS n SET memories = ifnull(m.memories, 0), semantic = ifnull(m.semantic, 0), "
    "words0 = ifnull(m.words0, 0), words1 = ifnull(m.words1, 0), words2 = ifnull(m.words2, 0), "
    "words3 = ifnull(m.words3, 0), links = ifnull(l.links, 0), vectors = ifnull(v.vectors, 0), "
    "audit_records = ifnull(a.records, 0), audit_oldest = ifnull(a.oldest, 9223372036854775807), "
    "sequence = max(n.sequence, ifnull(m.sequence, 0), ifnull(l.sequence, 0)), "
    "last_id = max(n.last_id, ifnull(m.last_id, 0)), "
    "dimension = CASE WHEN v.vectors IS NULL THEN 0 WHEN n.dimension = 0 THEN v.dimension ELSE n.dimension END "
    "FROM (SELECT number FROM sfm_namespaces) AS o LEFT JOIN (" FRACTAL_TRUE_MEMORIES
    ") AS m ON m.space = o.number "
    "LEFT JOIN (" FRACTAL_TRUE_LINKS ") AS l ON l.space = o.number LEFT JOIN (" FRACTAL_TRUE_VECTORS
    ") AS v ON v.space = o.number LEFT JOIN (" FRACTAL_TRUE_AUDIT
    ") AS a ON a.space = o.number WHERE o.number = n.number";

Result<void> check_structure(Connection& connection, Sentences& problems) {
  // From SQLite 3.44 on integrity_check looks at the keyword index too, with the structure that this connection read
  // last, however old: a query before it makes FTS5 look at its age.
  const auto read = connection.integer("SELECT rowid FROM sfm_keywords WHERE sfm_keywords MATCH 'a' LIMIT 1", "verify");
  if (!read && read.error().code != Errc::corruption) return read.error();
  if (!read) problems.push_back(fmt::format("keywords: {}", read.error().message));
  Query query(connection, "PRAGMA integrity_check", "verify the file");
  for (std::size_t i = 0; i < most_sentences_a_kind; ++i) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (!row || query.bytes(0) == "ok") return {};
    problems.push_back(fmt::format("file: {}", query.bytes(0)));
  }
  return {};
}

Result<void> check_rules(Connection& connection, Sentences& problems) {
  for (const Rule& rule : rules) {
    FRACTAL_TRY_INTO(const auto count, connection.integer(rule.sql, "verify rows"));
    if (count.value_or(0) != 0) problems.push_back(fmt::format("{} {}", *count, rule.sentence));
  }
  return {};
}

Result<void> check_counters(Connection& connection, Sentences& problems) {
  Query query(connection, std::string_view(compare_counters), "verify counters");
  for (;;) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (!row) return {};
    int column = 1;
    for (const char* const what : counted) {
      if (query.integer(column) != query.integer(column + 1)) {
        problems.push_back(fmt::format("space {}: its record counts {} {}, there are {}", query.bytes(0),
                                       query.integer(column), what, query.integer(column + 1)));
      }
      column += 2;
    }
    for (const char* const what : {"sequence number", "memory number"}) {
      if (query.integer(column) < query.integer(column + 1)) {
        problems.push_back(fmt::format("space {}: the last {} is {}, but {} was given", query.bytes(0), what,
                                       query.integer(column), query.integer(column + 1)));
      }
      column += 2;
    }
  }
}

Result<void> check_fields(Connection& connection, Sentences& problems) {
  FRACTAL_TRY_INTO(const auto fields, read_fields(connection));
  FRACTAL_TRY_INTO(const auto faults, compare_field_values(connection, fields));
  if (faults.missing != 0) problems.push_back(fmt::format("{} values of indexed fields are missing", faults.missing));
  if (faults.surplus != 0)
    problems.push_back(fmt::format("{} values of indexed fields are in no payload", faults.surplus));
  return {};
}

struct Mending {
  const char* sql;
  const char* sentence;  // begins with the number of rows changed
};
constexpr Mending mendings[] = {
    {"INSERT INTO sfm_namespaces(number, tenant, namespace) SELECT space, 'recovered', CAST(space AS TEXT) FROM "
     "(SELECT space FROM sfm_memories UNION SELECT space FROM sfm_graph_links) WHERE space NOT IN "
     "(SELECT number FROM sfm_namespaces)",
     "lost spaces found again under the tenant \"recovered\""},
    {"DELETE FROM sfm_vector_embeddings WHERE NOT EXISTS (SELECT 1 FROM sfm_memories AS m WHERE m.id = "
     "sfm_vector_embeddings.id)",
     "vectors without a memory dropped"},
    {"UPDATE sfm_memories SET has_vector = NOT has_vector WHERE has_vector <> "
     "EXISTS (SELECT 1 FROM sfm_vector_embeddings AS e WHERE e.id = sfm_memories.id)",
     "memories told whether they have a vector"},
    {"UPDATE sfm_vector_embeddings AS e SET sequence = m.vector_sequence FROM sfm_memories AS m "
     "WHERE m.id = e.id AND e.sequence <> m.vector_sequence",
     "vectors got the sequence number of their memory"},
    {"DELETE FROM sfm_keywords WHERE rowid IN (SELECT id FROM sfm_keywords_content WHERE id NOT IN "
     "(SELECT id FROM sfm_memories))",
     "keyword entries without a memory dropped"},
};

}  // namespace

Result<Sentences> find_problems(Connection& connection) {
  Sentences problems;
  FRACTAL_TRY(check_structure(connection, problems));
  FRACTAL_TRY(check_rules(connection, problems));
  FRACTAL_TRY(check_counters(connection, problems));
  FRACTAL_TRY(check_fields(connection, problems));
  return problems;
}

Result<Sentences> find_keyword_problems(Connection& writer) {
  auto checked = writer.execute("INSERT INTO sfm_keywords(sfm_keywords) VALUES ('integrity-check')", "verify keywords");
  if (checked) return Sentences{};
  if (checked.error().code != Errc::corruption) return std::move(checked).error();
  return Sentences{fmt::format("keywords: the index and its texts disagree ({})", checked.error().message)};
}

Result<bool> is_sound(Connection& writer) {
  const auto found = find_problems(writer);
  if (!found && found.error().code != Errc::corruption) return found.error();
  if (!found || !found->empty()) return false;
  FRACTAL_TRY_INTO(const auto words, find_keyword_problems(writer));
  return words.empty();
}

Result<Sentences> mend(Connection& writer, const Control& control) {
  Sentences done;
  FRACTAL_TRY(writer.execute("REINDEX", "repair indexes"));
  done.emplace_back("indexes rebuilt");
  for (const Mending& mending : mendings) {
    FRACTAL_TRY(writer.execute(mending.sql, "repair rows"));
    if (const int rows = sqlite3_changes(writer.handle()); rows > 0) {
      done.push_back(fmt::format("{} {}", rows, mending.sentence));
    }
  }
  FRACTAL_TRY(writer.execute("INSERT INTO sfm_keywords(sfm_keywords) VALUES ('rebuild')", "repair keywords"));
  done.emplace_back("keyword index rebuilt");
  FRACTAL_TRY_INTO(const auto fields, read_fields(writer));
  FRACTAL_TRY(writer.execute("DELETE FROM sfm_field_values", "repair indexed fields"));
  FRACTAL_TRY(fill_field_values(writer, fields, control));
  done.push_back(fmt::format("values of {} indexed fields rebuilt", fields.size()));
  FRACTAL_TRY(writer.execute(mend_counters, "repair counters"));
  done.emplace_back("counters of all spaces recounted");
  return done;
}

}  // namespace fractal::sqlite_backend
