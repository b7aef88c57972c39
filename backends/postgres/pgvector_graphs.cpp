// Invariant: a graph that was not finished is not valid to the server, and a search takes only valid ones; the next
// build drops it. One session at a time makes and drops graphs of an index: it has the advisory lock of the index's
// identity.
#include "backends/postgres/pgvector_graphs.h"

#include "backends/postgres/purge.h"
#include "src/error.h"
#include "src/validate.h"

#include <array>
#include <atomic>
#include <thread>

namespace fractal::postgres_backend {
namespace {

constexpr std::chrono::milliseconds look_every{100};
constexpr std::string_view operation = "build a graph";

// Not a blocking lock: who waits inside a statement has a snapshot, which CREATE INDEX CONCURRENTLY waits for.
constexpr Statement try_turn{"wait for another build", "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"};
constexpr Statement unused{
    "look for graphs",
    "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = 'sfm_pgvector'::regclass AND c.relname LIKE 'sfm\\_pgvector\\_graph\\_%' AND NOT (i.indisvalid "
    "AND "
    "EXISTS (SELECT FROM sfm_pgvector_spaces AS s WHERE c.relname = 'sfm_pgvector_graph_' || s.space || '_' || "
    "s.dimension || '_' || s.metric))"};
constexpr Statement indexed{"read a space of the vector index",
                            "SELECT " FRACTAL_INDEXED " FROM sfm_pgvector_spaces AS s WHERE s.space = $1"};
constexpr Statement present{"look for a graph", "SELECT to_regclass($1) IS NOT NULL"};
constexpr Statement own_process{"build a graph", "SELECT pg_backend_pid()"};
constexpr Statement progress{"look at the build of a graph",
                             "SELECT coalesce(max(tuples_done), 0) FROM pg_stat_progress_create_index WHERE pid = $1"};
constexpr Statement to_purge{"look for what to purge",
                             "SELECT e.space, e.times FROM sfm_pgvector_erased AS e WHERE EXISTS (SELECT FROM "
                             "sfm_pgvector_erased AS f WHERE f.space = $1 OR "
                             "NOT EXISTS (SELECT FROM sfm_pgvector_spaces AS s WHERE s.space = f.space))"};
constexpr Statement forget_past{
    "forget the past of the vector index",
    "WITH gone AS (DELETE FROM sfm_pgvector_past WHERE space = $1 RETURNING space) " FRACTAL_NOTE_ERASED(
        "SELECT DISTINCT space FROM gone")};
constexpr Statement last_moment{"forget the past of the vector index",
                                "UPDATE sfm_pgvector_spaces SET moments = ARRAY[greatest(changed, moments[cardinality("
                                "moments) - 1]), applied] WHERE space = $1"};
constexpr Statement purged{"purge the vector index",
                           "DELETE FROM sfm_pgvector_erased AS e USING unnest($1, $2) AS p(space, times) "
                           "WHERE e.space = p.space AND e.times = p.times"};
constexpr Statement begin{"purge the vector index", "BEGIN"};
constexpr Statement commit{"purge the vector index", "COMMIT"};

}  // namespace

Graphs::Graphs(const Server& server, std::string identity, const GraphOptions& options)
    : server_(server), identity_(std::move(identity)), options_(options) {
  server_.setup += "; SET statement_timeout = 0; SET lock_timeout = 0";
}

Result<std::unique_ptr<Connection>> Graphs::connect() const {
  FRACTAL_TRY_INTO(auto connection, Connection::open(server_));
  connection->be_patient(true);
  return connection;
}

Result<bool> Graphs::take_turn(Connection& connection, bool wait, const Control& control) const {
  for (;;) {
    FRACTAL_TRY_INTO(const Rows rows, connection.run(try_turn, Values(Text{identity_})));
    if (rows.integer(0, 0) != 0) return true;
    if (!wait) return false;
    FRACTAL_TRY(check_control(control, operation));
    std::this_thread::sleep_for(look_every);
  }
}

Result<void> Graphs::drop_unused(Connection& connection) const {
  FRACTAL_TRY_INTO(const Rows rows, connection.run(unused));
  for (int at = 0; at < rows.count(); ++at) {
    FRACTAL_TRY(connection.script(fmt::format("DROP INDEX CONCURRENTLY IF EXISTS {}", rows.bytes(at, 0)),
                                  "drop a graph that is not used"));
  }
  return {};
}

Result<void> Graphs::build(std::uint64_t space, bool wait, const Control& control) {
  FRACTAL_TRY_INTO(const auto connection, connect());
  connection->obey(&control);
  FRACTAL_TRY_INTO(const bool mine, take_turn(*connection, wait, control));
  if (!mine) return {};
  FRACTAL_TRY(drop_unused(*connection));
  FRACTAL_TRY_INTO(const Rows rows, connection->run(indexed, Values(space)));
  if (rows.count() == 0) return {};
  FRACTAL_TRY_INTO(const IndexedSpace there, read_indexed(*connection, rows, space));
  const std::string name = graph_name(space, there.dimension, there.metric);
  FRACTAL_TRY_INTO(const Rows found, connection->run(present, Values(Text{name})));
  if (!is_due(there, found.integer(0, 0) != 0)) return {};
  return make(*connection, there, control);
}

// The statement runs beside this thread, which tells of its progress.
Result<void> Graphs::make(Connection& connection, const IndexedSpace& space, const Control& control) const {
  FRACTAL_TRY_INTO(const Rows own, connection.run(own_process));
  const auto process = own.integer(0, 0);
  const std::string text = fmt::format(
      "CREATE INDEX CONCURRENTLY {} ON sfm_pgvector USING hnsw ((embedding::vector({})) {}) "
      "WITH (m = {}, ef_construction = {}) WHERE space = {} AND dimension = {}",
      graph_name(space.number, space.dimension, space.metric), space.dimension, operator_class(space.metric),
      options_.m, options_.ef_construction, space.number, space.dimension);
  std::optional<std::unique_ptr<Connection>> observer;
  if (control.progress) { FRACTAL_TRY_INTO(observer, connect()); }
  Result<void> made;
  std::atomic<bool> done{false};
  std::jthread work([&] {
    made = connection.script(text, operation);
    done = true;
    done.notify_all();
  });
  std::uint64_t told = 0;
  while (observer && !done) {
    const auto rows = (*observer)->run(progress, Values(process));
    if (!rows) break;  // the build itself says what is wrong with the server
    told = std::max(told, std::min(rows->natural(0, 0), space.vectors));
    control.progress(told, space.vectors);
    std::this_thread::sleep_for(look_every);
  }
  done.wait(false);
  work.join();
  if (made && control.progress) control.progress(space.vectors, space.vectors);
  return made;
}

Result<void> Graphs::purge(std::uint64_t space, const Control& control) {
  FRACTAL_TRY_INTO(const auto connection, connect());
  connection->obey(&control);
  FRACTAL_TRY(connection->queue(begin));
  FRACTAL_TRY(connection->queue(last_moment, Values(space)));
  FRACTAL_TRY(connection->queue(forget_past, Values(space)));
  FRACTAL_TRY(connection->run(commit));
  FRACTAL_TRY_INTO(const Rows rows, connection->run(to_purge, Values(space)));
  std::vector<std::uint64_t> spaces, times;
  for (int at = 0; at < rows.count(); ++at) {
    spaces.push_back(rows.natural(at, 0));
    times.push_back(rows.natural(at, 1));
  }
  if (spaces.empty()) return {};
  constexpr std::array tables{"sfm_pgvector", "sfm_pgvector_past"};
  FRACTAL_TRY(purge_tables(*connection, tables, server_.busy_timeout, control));
  FRACTAL_TRY(
      connection->run(purged, Values(std::span<const std::uint64_t>(spaces), std::span<const std::uint64_t>(times))));
  return {};
}

}  // namespace fractal::postgres_backend
