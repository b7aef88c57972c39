// Invariant: a row of another program is a memory or link of its space, or it has no number of ours and is told of here.
#include "backends/postgres/foreign_rows.h"

#include "backends/postgres/postgres_storage.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/statements.h"
#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

constexpr std::int64_t rows_per_page = 5'000;

// A page of rows beyond an id: how many of them are ours now, how many there were, the last one's id. Locked in the order
// in which other programs do it: rows first, then their space.
#define FRACTAL_TAKE(table, ours, function)                                                                        \
  "WITH page AS MATERIALIZED (SELECT id FROM " table " WHERE " ours                                                \
  " IS NULL AND ($1::bytea IS NULL OR id > encode($1, 'hex')::uuid) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) " \
  "SELECT " function                                                                                               \
  "(array_agg((id, true, true)::fm_written)), count(*), uuid_send((array_agg(id ORDER BY id DESC))[1]) FROM page"
constexpr Statement take_memories{"take memories over", FRACTAL_TAKE("sfm_memories", "fm_id", "fm_take_memories")};
constexpr Statement take_links{"take links over", FRACTAL_TAKE("sfm_graph_links", "fm_space", "fm_take_links")};
#undef FRACTAL_TAKE

Result<std::uint64_t> take(Connection& connection, const Statement& statement) {
  std::uint64_t taken = 0;
  std::optional<std::string> last;
  for (;;) {
    FRACTAL_TRY(connection.check(statement.operation));
    Values values;
    last ? values.add(Bytes{*last}) : values.add(nullptr);
    values.add(rows_per_page);
    FRACTAL_TRY_INTO(const Rows page, connection.run(statement, values));
    taken += page.natural(0, 0);
    if (page.integer(0, 1) < rows_per_page) return taken;
    last = std::string(page.bytes(0, 2));
  }
}

// How many there are, and the first: where it is and what is wrong with it.
struct Question {
  Statement statement;
  const char* what;
};
constexpr Question refused[] = {
    {{"look for rows of other programs",
      "SELECT count(*), (SELECT format('%s/%s %s: %s', o.tenant, o.namespace, o.coordinate_key, "
      "COALESCE(fm_memory_problem(o), 'another memory has its coordinate')) FROM sfm_memories AS o "
      "WHERE o.fm_id IS NULL ORDER BY o.id LIMIT 1) FROM sfm_memories WHERE fm_id IS NULL"},
     "rows of sfm_memories are no memories"},
    {{"look for rows of other programs",
      "SELECT count(*), (SELECT format('%s/%s %s -%s-> %s: %s', o.tenant, o.namespace, o.from_coordinate_key, "
      "o.link_type, "
      "o.to_coordinate_key, COALESCE(fm_link_problem(o), 'another link has its ends and type')) FROM sfm_graph_links "
      "AS o "
      "WHERE o.fm_space IS NULL ORDER BY o.id LIMIT 1) FROM sfm_graph_links WHERE fm_space IS NULL"},
     "rows of sfm_graph_links are no links"}};
constexpr Statement waiting{"look for rows of other programs",
                            "SELECT count(*) FROM sfm_memories WHERE fm_unindexed AND "
                            "fm_updated_at < fm_micros(now()) - 60000000"};

}  // namespace

Result<TakenRows> take_foreign_rows(Connection& connection) {
  TakenRows taken;
  FRACTAL_TRY_INTO(taken.memories, take(connection, take_memories));
  FRACTAL_TRY_INTO(taken.links, take(connection, take_links));
  return taken;
}

Result<std::vector<std::string>> foreign_problems(Connection& connection) {
  std::vector<std::string> problems;
  for (const Question& question : refused) {
    FRACTAL_TRY_INTO(const Rows rows, connection.run(question.statement));
    if (rows.integer(0, 0) == 0) continue;
    problems.push_back(fmt::format("{} {}, one of them {}", rows.integer(0, 0), question.what, rows.bytes(0, 1)));
  }
  FRACTAL_TRY_INTO(const Rows rows, connection.run(waiting));
  if (rows.integer(0, 0) != 0) {
    problems.push_back(fmt::format(
        "{} memories that other programs wrote are not indexed: they are not found by text or vector until maintain()",
        rows.integer(0, 0)));
  }
  return problems;
}

Result<std::vector<UnindexedRow>> PostgresStorage::unindexed(MemoryId after, std::size_t limit) {
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  const Values values(after >> space_shift, after, bounded(limit));
  FRACTAL_TRY_INTO(const Rows rows, lease->run(sql::unindexed, values));
  std::vector<UnindexedRow> out;
  out.reserve(static_cast<std::size_t>(rows.count()));
  for (int at = 0; at < rows.count(); ++at) {
    out.push_back({.space = {std::string(rows.bytes(at, 0)), std::string(rows.bytes(at, 1))},
                   .id = rows.natural(at, 2),
                   .key = std::string(rows.bytes(at, 3))});
  }
  return out;
}

Result<std::uint64_t> PostgresStorage::count_unindexed() {
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  FRACTAL_TRY_INTO(const Rows rows, lease->run(sql::count_unindexed));
  return rows.natural(0, 0);
}

}  // namespace fractal::postgres_backend
