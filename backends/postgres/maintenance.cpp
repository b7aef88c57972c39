// Invariant: what is verified and mended is one snapshot, or one transaction that locks out other writers.
#include "backends/postgres/postgres_storage.h"

#include "backends/postgres/foreign_rows.h"
#include "backends/postgres/purge.h"
#include "backends/postgres/row_security.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/statements.h"
#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <array>

namespace fractal::postgres_backend {
namespace {

constexpr std::int64_t rows_per_page = 1'000;

constexpr Statement no_time_out{"take time", "SET LOCAL statement_timeout = 0"};
constexpr Statement lock_writers{"wait for writers", "LOCK TABLE sfm_namespaces IN EXCLUSIVE MODE"};
constexpr Statement every_payload{"read memories",
                                  "SELECT fm_id, fm_space, fm_payload FROM sfm_memories WHERE fm_id > $1 AND NOT "
                                  "fm_unindexed ORDER BY fm_id LIMIT $2"};
constexpr Statement add_field{"index a field", "INSERT INTO sfm_fields(path) VALUES ($1) RETURNING number"};
constexpr Statement total{"count memories", "SELECT COALESCE(sum(fm_memories), 0)::bigint FROM sfm_namespaces"};

// A connection in a transaction of its own, until it is committed.
class Work {
 public:
  static Result<Work> begin(Pool& pool, const Statement& how, const Control& control) {
    FRACTAL_TRY_INTO(auto lease, pool.lease());
    lease->obey(&control);
    lease->be_patient(true);
    FRACTAL_TRY(lease->queue(how));
    FRACTAL_TRY(lease->queue(no_time_out));
    FRACTAL_TRY(lease->queue(sql::see_all));
    return Work(std::move(lease));
  }
  Connection& operator*() const { return *lease_; }
  Connection* operator->() const { return &*lease_; }
  Result<void> commit() {
    FRACTAL_TRY(lease_->run(sql::commit));
    return {};
  }

 private:
  explicit Work(Lease lease) : lease_(std::move(lease)) {}
  Lease lease_;
};

Result<void> fill_field(Connection& connection, const Field& field, const Control& control) {
  FRACTAL_TRY_INTO(const Rows counted, connection.run(total));
  std::uint64_t done = 0;
  for (MemoryId last = 0;;) {
    if (control.progress) control.progress(done, counted.natural(0, 0));
    FRACTAL_TRY_INTO(const Rows rows, connection.run(every_payload, Values(last, rows_per_page)));
    for (int at = 0; at < rows.count(); ++at) {
      last = rows.natural(at, 0);
      const auto value = value_at(rows.bytes(at, 2), field.path);
      if (value) FRACTAL_TRY(put_field_value(connection, rows.natural(at, 1), field, *value, last));
    }
    done += static_cast<std::uint64_t>(rows.count());
    if (rows.count() < rows_per_page) return connection.flush();
  }
}

// The counters of each space n as its rows have them.
#define FRACTAL_TRUE_COUNTS                                                                                           \
  "CROSS JOIN LATERAL (SELECT m.memories, m.semantic, m.vectors, m.words0, m.words1, m.words2, m.words3, m.last_id, " \
  "l.links, "                                                                                                         \
  "a.records, a.oldest, greatest(m.changed, l.changed) AS sequence FROM "                                             \
  "(SELECT count(*) AS memories, COALESCE(sum(fm_type), 0)::bigint AS semantic, "                                     \
  "count(*) FILTER (WHERE fm_has_vector) AS vectors, COALESCE(sum(fm_words0), 0)::bigint AS words0, "                 \
  "COALESCE(sum(fm_words1), 0)::bigint AS words1, COALESCE(sum(fm_words2), 0)::bigint AS words2, "                    \
  "COALESCE(sum(fm_words3), 0)::bigint AS words3, COALESCE(max(fm_sequence), 0) AS changed, "                         \
  "COALESCE(max(fm_id & 1099511627775), 0) AS last_id FROM sfm_memories WHERE fm_space = n.fm_number) AS m, "         \
  "(SELECT count(*) AS links, COALESCE(max(fm_sequence), 0) AS changed FROM sfm_graph_links "                         \
  "WHERE fm_space = n.fm_number) AS l, (SELECT count(*) AS records, "                                                 \
  "COALESCE(min(fm_at), 9223372036854775807) AS oldest FROM sfm_audit_log WHERE fm_space = n.fm_number) AS a) AS t"

// What must be nothing, and how to say how much of it there is.
struct Check {
  Statement count;
  const char* sentence;
};
constexpr Check checks[] = {
    {{"verify",
      "SELECT count(*) FROM sfm_vector_embeddings AS e WHERE fm_id IS NOT NULL AND NOT EXISTS "
      "(SELECT FROM sfm_memories AS m WHERE m.fm_id = e.fm_id AND m.fm_has_vector)"},
     "{} vectors have no memory"},
    {{"verify",
      "SELECT count(*) FROM sfm_memories AS m WHERE m.fm_has_vector AND NOT EXISTS "
      "(SELECT FROM sfm_vector_embeddings AS e WHERE e.fm_id = m.fm_id)"},
     "{} memories lack their vector"},
    {{"verify",
      "SELECT count(*) FROM sfm_keywords AS k WHERE NOT EXISTS (SELECT FROM sfm_memories AS m WHERE "
      "m.fm_id = k.id)"},
     "the keywords of {} memories have no memory"},
    {{"verify",
      "SELECT count(*) FROM sfm_memories AS m LEFT JOIN sfm_keywords AS k ON k.id = m.fm_id WHERE m.fm_id IS NOT "
      "NULL AND (m.fm_words0, m.fm_words1, m.fm_words2, m.fm_words3) IS DISTINCT FROM "
      "(COALESCE(k.words0, 0), COALESCE(k.words1, 0), COALESCE(k.words2, 0), COALESCE(k.words3, 0))"},
     "{} memories have other keywords than they count"},
    {{"verify",
      "SELECT count(*) FROM sfm_field_values AS f WHERE NOT EXISTS (SELECT FROM sfm_memories AS m WHERE "
      "m.fm_id = f.id AND m.fm_space = f.space)"},
     "{} indexed values have no memory"},
    {{"verify",
      "SELECT count(*) FROM sfm_memories AS m WHERE m.fm_space IS NOT NULL AND (m.fm_id >> 40 <> m.fm_space OR "
      "NOT EXISTS (SELECT FROM sfm_namespaces AS n WHERE n.fm_number = m.fm_space))"},
     "{} memories are in no space"},
    {{"verify",
      "SELECT count(*) FROM sfm_graph_links AS l WHERE l.fm_space IS NOT NULL AND NOT EXISTS "
      "(SELECT FROM sfm_namespaces AS n WHERE n.fm_number = l.fm_space)"},
     "{} links are in no space"},
    {{"verify",
      "SELECT count(*) FROM sfm_namespaces AS n " FRACTAL_TRUE_COUNTS
      " WHERE n.fm_number IS NOT NULL AND (n.fm_memories, n.fm_semantic, n.fm_vectors, n.fm_words0, n.fm_words1, "
      "n.fm_words2, n.fm_words3, n.fm_links, n.fm_audit_records) IS DISTINCT FROM (t.memories, t.semantic, "
      "t.vectors, t.words0, t.words1, t.words2, t.words3, t.links, t.records)"},
     "the counters of {} spaces are wrong"},
    {{"verify", "SELECT count(*) FROM sfm_namespaces AS n " FRACTAL_TRUE_COUNTS
                " WHERE n.fm_number IS NOT NULL AND (n.fm_sequence < t.sequence OR n.fm_last_id < t.last_id)"},
     "{} spaces would give a number again"}};

constexpr Statement wipe_field_values{"rebuild the indexed fields", "DELETE FROM sfm_field_values"};

struct Mending {
  Statement change;
  const char* sentence;
};
constexpr Mending mendings[] = {
    {{"repair",
      "INSERT INTO sfm_namespaces(fm_number, fm_tenant, fm_name, tenant, name) SELECT s, 'recovered'::bytea, "
      "convert_to(s::text, 'UTF8'), 'recovered', s::text FROM (SELECT fm_space AS s FROM sfm_memories UNION "
      "SELECT fm_space FROM sfm_graph_links) AS o WHERE s IS NOT NULL AND NOT EXISTS "
      "(SELECT FROM sfm_namespaces AS n WHERE n.fm_number = s)"},
     "{} lost spaces found again under the tenant \"recovered\""},
    {{"repair",
      "DELETE FROM sfm_vector_embeddings AS e WHERE fm_id IS NOT NULL AND NOT EXISTS "
      "(SELECT FROM sfm_memories AS m WHERE m.fm_id = e.fm_id)"},
     "{} vectors without a memory dropped"},
    {{"repair",
      "UPDATE sfm_memories AS m SET fm_has_vector = NOT fm_has_vector WHERE fm_id IS NOT NULL AND fm_has_vector <> "
      "EXISTS (SELECT FROM sfm_vector_embeddings AS e WHERE e.fm_id = m.fm_id)"},
     "{} memories told whether they have a vector"},
    {{"repair", "DELETE FROM sfm_keywords AS k WHERE NOT EXISTS (SELECT FROM sfm_memories AS m WHERE m.fm_id = k.id)"},
     "keywords of {} memories that are not there dropped"},
    {{"repair",
      "UPDATE sfm_namespaces AS n SET fm_memories = t.memories, fm_semantic = t.semantic, fm_vectors = t.vectors, "
      "fm_words0 = t.words0, fm_words1 = t.words1, fm_words2 = t.words2, fm_words3 = t.words3, fm_links = t.links, "
      "fm_audit_records = t.records, fm_audit_oldest = t.oldest, fm_sequence = greatest(n.fm_sequence, t.sequence), "
      "fm_last_id = greatest(n.fm_last_id, t.last_id) FROM (SELECT n.fm_number AS space, t.* FROM "
      "sfm_namespaces AS n " FRACTAL_TRUE_COUNTS ") AS t WHERE t.space = n.fm_number AND "
      "((n.fm_memories, n.fm_semantic, n.fm_vectors, n.fm_words0, n.fm_words1, n.fm_words2, n.fm_words3, "
      "n.fm_links, n.fm_audit_records) IS DISTINCT FROM (t.memories, t.semantic, t.vectors, t.words0, t.words1, "
      "t.words2, t.words3, t.links, t.records) OR n.fm_sequence < t.sequence OR n.fm_last_id < t.last_id)"},
     "the counters of {} spaces mended"}};

Result<std::uint64_t> wrong_field_values(Connection& connection, std::span<const Field> fields) {
  constexpr Statement there{"verify",
                            "SELECT count(*) FROM sfm_field_values WHERE space = $1 AND field = $2 AND id = $3"};
  constexpr Statement all{"verify", "SELECT count(*) FROM sfm_field_values"};
  std::uint64_t wanted = 0, missing = 0;
  for (MemoryId last = 0; !fields.empty();) {
    FRACTAL_TRY_INTO(const Rows rows, connection.run(every_payload, Values(last, rows_per_page)));
    for (int at = 0; at < rows.count(); ++at) {
      last = rows.natural(at, 0);
      for (const Field& field : fields) {
        if (!value_at(rows.bytes(at, 2), field.path)) continue;
        ++wanted;
        FRACTAL_TRY_INTO(const Rows found, connection.run(there, Values(rows.natural(at, 1), field.number, last)));
        missing += found.natural(0, 0) == 1 ? 0 : 1;
      }
    }
    if (rows.count() < rows_per_page) break;
  }
  FRACTAL_TRY_INTO(const Rows present, connection.run(all));
  const std::uint64_t found = present.natural(0, 0);
  return missing + (found > wanted ? found - wanted : 0);
}

}  // namespace

Result<void> PostgresStorage::create_index(std::string_view path, const Control& control) {
  FRACTAL_TRY(may_write("index a field"));
  FRACTAL_TRY_INTO(auto work, Work::begin(*pool_, sql::begin_write, control));
  FRACTAL_TRY(work->queue(lock_writers));
  FRACTAL_TRY_INTO(const auto fields, read_fields(*work));
  const bool there = std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.path == path; });
  if (there) return {};
  FRACTAL_TRY_INTO(const Rows added, work->run(add_field, Values(Bytes{path})));
  FRACTAL_TRY(fill_field(*work, {added.integer(0, 0), std::string(path)}, control));
  return work.commit();
}

Result<std::vector<std::string>> PostgresStorage::verify(const Control& control) {
  FRACTAL_TRY_INTO(auto work, Work::begin(*pool_, sql::begin_read, control));
  std::vector<std::string> problems;
  for (const Check& check : checks) {
    FRACTAL_TRY_INTO(const Rows rows, work->run(check.count));
    if (const auto count = rows.natural(0, 0); count != 0) {
      problems.push_back(fmt::format(fmt::runtime(check.sentence), count));
    }
  }
  FRACTAL_TRY_INTO(const auto fields, read_fields(*work));
  FRACTAL_TRY_INTO(const std::uint64_t wrong, wrong_field_values(*work, fields));
  if (wrong != 0) problems.push_back(fmt::format("{} indexed values are missing, wrong or too many", wrong));
  return problems;
}

Result<std::vector<std::string>> PostgresStorage::repair(const Control& control) {
  FRACTAL_TRY(may_write("repair"));
  FRACTAL_TRY_INTO(auto work, Work::begin(*pool_, sql::begin_write, control));
  FRACTAL_TRY(work->queue(sql::mark_writer));
  FRACTAL_TRY(work->queue(lock_writers));
  std::vector<std::string> done;
  for (const Mending& mending : mendings) {
    FRACTAL_TRY_INTO(const Rows rows, work->run(mending.change));
    if (rows.affected() != 0) done.push_back(fmt::format(fmt::runtime(mending.sentence), rows.affected()));
  }
  FRACTAL_TRY_INTO(const TakenRows taken, take_foreign_rows(*work));
  if (taken.memories + taken.links != 0) {
    done.push_back(fmt::format("{} memories and {} links of other programs taken over", taken.memories, taken.links));
  }
  FRACTAL_TRY_INTO(const auto fields, read_fields(*work));
  FRACTAL_TRY_INTO(const std::uint64_t wrong, wrong_field_values(*work, fields));
  if (wrong != 0) {
    FRACTAL_TRY(work->queue(wipe_field_values));
    for (const Field& field : fields) FRACTAL_TRY(fill_field(*work, field, control));
    done.push_back(fmt::format("indexed fields rebuilt: {} values were wrong", wrong));
  }
  FRACTAL_TRY(work.commit());
  return done;
}

// The server gives freed space to new rows; a purge rewrites the tables, which nobody may read meanwhile.
Result<std::uint64_t> PostgresStorage::maintain(bool purge, const Control& control) {
  FRACTAL_TRY(may_write("maintain"));
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  lease->obey(&control);
  lease->be_patient(true);
  FRACTAL_TRY(lease->script("SET statement_timeout = 0", "maintain"));
  constexpr std::array tables{"sfm_memories",     "sfm_vector_embeddings", "sfm_keywords",
                              "sfm_graph_links",  "sfm_removals",          "sfm_audit_log",
                              "sfm_field_values", "sfm_namespaces",        "sfm_settings"};
  Result<void> done;
  if (purge) done = purge_tables(*lease, tables, pool_->server().busy_timeout, control);
  for (const char* table : tables) {
    if (done && !purge) done = lease->script(fmt::format("VACUUM (ANALYZE) {}", table), "maintain");
  }
  lease->obey(nullptr);  // whoever has the connection next wants it
  FRACTAL_TRY(
      lease->script(fmt::format("SET statement_timeout = {}", pool_->server().call_timeout.count()), "maintain"));
  if (!done) return std::move(done).error();
  return purge ? bytes() : 0;
}

}  // namespace fractal::postgres_backend
