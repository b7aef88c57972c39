// Invariant: a table is rewritten only once nobody can read what was deleted before: else the server takes it along, and says
// nothing of it.
#include "backends/postgres/purge.h"

#include "src/error.h"
#include "src/validate.h"

#include <thread>
#include <vector>

namespace fractal::postgres_backend {
namespace {

constexpr const char* operation = "purge";
constexpr std::chrono::milliseconds look_every{20};

constexpr Statement next_transaction{operation, "SELECT pg_current_xact_id()::text"};

// Whoever may still see what was there before a transaction. Sessions of any kind (autovacuum analyzes), but for those that
// merely vacuum, for which the server keeps nothing. A rewrite counts every transaction that runs, of other databases, too.
constexpr Statement holders{
    operation,
    "WITH mark AS (SELECT age($1::xid8::xid) AS age), holders AS ("
    "SELECT 'session ' || pid AS who FROM pg_stat_activity, mark WHERE pid <> pg_backend_pid() "
    "AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum) "
    "AND ((COALESCE(datname = current_database(), true) AND age(backend_xmin) > mark.age) OR age(backend_xid) > "
    "mark.age) "
    "UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts, mark WHERE age(transaction) > mark.age "
    "UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots, mark WHERE age(xmin) > mark.age "
    "AND wal_status IS DISTINCT FROM 'lost') "
    "SELECT count(*), min(who) FROM holders"};

// The server would pass such a table over, with a warning.
constexpr Statement not_ours{
    operation,
    "SELECT min(c.relname::text) FROM pg_class AS c, pg_database AS d WHERE d.datname = current_database() "
    "AND c.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS t(name)) "
    "AND NOT (pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') OR "
    "CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN has_table_privilege(c.oid, 'MAINTAIN') "
    "ELSE false END)"};

Result<void> check_owner(Connection& connection, std::span<const char* const> tables) {
  std::vector<Text> names;
  for (const char* table : tables) names.push_back({table});
  FRACTAL_TRY_INTO(const Rows rows, connection.run(not_ours, Values(names)));
  if (rows.null(0, 0)) return {};
  return make_error(Errc::unsupported, "{}: purge: only its owner may rewrite the table {}", connection.server(),
                    rows.bytes(0, 0));
}

// The sessions are read one by one, while one may begin to read beside another that ends: only who is seen in none of two
// looks is not there.
Result<void> wait_for_readers(Connection& connection, std::chrono::milliseconds patience, const Control& control) {
  FRACTAL_TRY_INTO(const Rows mark, connection.run(next_transaction));
  const std::string now(mark.bytes(0, 0));
  const auto end = std::chrono::steady_clock::now() + patience;
  for (int looks_without = 0;;) {
    FRACTAL_TRY_INTO(const Rows rows, connection.run(holders, Values(Text{now})));
    const std::uint64_t there = rows.natural(0, 0);
    looks_without = there == 0 ? looks_without + 1 : 0;
    if (looks_without == 2) return {};
    FRACTAL_TRY(check_control(control, operation));
    if (there == 0) continue;
    if (std::chrono::steady_clock::now() >= end) {
      return make_error(Errc::unavailable, "{}: purge: {}{} may still read what was erased", connection.server(),
                        rows.bytes(0, 1), there > 1 ? fmt::format(" and {} more", there - 1) : std::string());
    }
    std::this_thread::sleep_for(look_every);
  }
}

}  // namespace

Result<void> purge_tables(Connection& connection, std::span<const char* const> tables,
                          std::chrono::milliseconds patience, const Control& control) {
  FRACTAL_TRY(check_owner(connection, tables));
  FRACTAL_TRY(wait_for_readers(connection, patience, control));
  for (const char* table : tables) {
    FRACTAL_TRY(connection.script(fmt::format("VACUUM (FULL, ANALYZE) {}", table), operation));
  }
  return {};
}

}  // namespace fractal::postgres_backend
