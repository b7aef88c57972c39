// Invariant: the index never decides what is true. What it has of a space is what the storage's commits left up to
// `applied` (pgvector_feed.cpp); a moment that it does not know, a server that does not answer and a space that another
// process loads just now are `unavailable`, and the core compares the rows.
#include "backends/postgres/pgvector_index.h"

#include "backends/postgres/pgvector_search.h"
#include "src/error.h"
#include "src/guarded.h"
#include "src/validate.h"
#include "src/vector_changes.h"

#include <algorithm>
#include <set>
#include <utility>

namespace fractal::postgres_backend {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view name = "vector index";
constexpr std::chrono::seconds retry_after{1};         // of a server that does not answer
constexpr std::chrono::seconds build_again_after{60};  // of a graph that could not be made
constexpr std::size_t changes_per_step = 1'000, components_per_step = 1u << 20;
constexpr std::uint64_t most_counted = 100'000;  // sequences of a pull
constexpr std::uint64_t row_bytes = 80;          // of a vector's row beside its components

constexpr Statement applied_of{"look at the vector index", "SELECT applied FROM sfm_pgvector_spaces WHERE space = $1"};
constexpr Statement stats_of{
    "look at the vector index",
    "SELECT " FRACTAL_INDEXED
    ", (SELECT count(*) FROM sfm_pgvector_past AS p WHERE p.space = s.space), "
    "coalesce((SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = g.graph), false), "
    "coalesce(pg_relation_size(g.graph), 0), "
    "(SELECT max(p.tuples_done) FROM pg_stat_progress_create_index AS p WHERE p.index_relid = g.graph) "
    "FROM sfm_pgvector_spaces AS s, LATERAL (SELECT to_regclass('sfm_pgvector_graph_' || s.space || '_' || s.dimension "
    "|| "
    "'_' || s.metric) AS graph) AS g WHERE s.space = $1"};

bool is_full(const VectorChanges& pulled) {
  return pulled.size() >= changes_per_step || pulled.components() >= components_per_step;
}

// What a pull delivered.
Result<void> write(Feed& feed, const SpaceRecord& to, VectorChanges& pulled) {
  std::vector<VectorChange> changes = pulled.views();
  std::sort(changes.begin(), changes.end(), [](const VectorChange& a, const VectorChange& b) {
    return a.sequence != b.sequence ? a.sequence < b.sequence : a.id < b.id;
  });
  FRACTAL_TRY(feed.add(to, changes));
  pulled.clear();
  return feed.flush();
}

}  // namespace

PgvectorIndex::PgvectorIndex(const PgvectorOptions& options, std::shared_ptr<Pool> pool, std::string identity,
                             NewestRecord newest)
    : options_(options),
      pool_(std::move(pool)),
      feeding_{.identity = std::move(identity), .idle = options.call_timeout},
      newest_(std::move(newest)),
      graphs_(pool_->server(), feeding_.identity,
              {.from = options.graph_from, .m = options.m, .ef_construction = options.ef_construction}),
      builder_([this](std::uint64_t space) { build_behind(space); }) {}

PgvectorIndex::~PgvectorIndex() {
  stopping_ = true;
  builder_.stop();
}

// ---- What this process knows -------------------------------------------------------------------------------------

// A server that is gone costs one call its time-out, and the others nothing. When it is back, it forgets what it has
// to.
Result<Lease> PgvectorIndex::lease() {
  {
    const std::lock_guard lock(mutex_);
    if (Clock::now() < retry_at_) {
      return make_error(Errc::unavailable, "{}: the vector index did not answer just now", pool_->server().name);
    }
  }
  auto lease = pool_->lease();
  if (!lease) {
    if (pool_->problem().empty()) return lease;  // all are in use
    const std::lock_guard lock(mutex_);
    retry_at_ = Clock::now() + retry_after;
    return lease;
  }
  for (const std::uint64_t space : take_unforgotten()) {
    const auto own = pool_->lease();  // what fails on it is undone with it
    note_forgotten(space, own ? forget_space(**own, space) : Result<void>(own.error()));
  }
  return lease;
}

std::set<std::uint64_t> PgvectorIndex::take_unforgotten() {
  const std::lock_guard lock(mutex_);
  return std::exchange(unforgotten_, {});
}

void PgvectorIndex::note_forgotten(std::uint64_t space, const Result<void>& forgotten) {
  note(space, Part::forget, forgotten ? nullptr : &forgotten.error());
  const std::lock_guard lock(mutex_);
  if (!forgotten) unforgotten_.insert(space);
  next_build_.erase(space);
}

std::uint64_t PgvectorIndex::seen(std::uint64_t space) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(space);
  return found != seen_.end() ? found->second : 0;
}

void PgvectorIndex::see(std::uint64_t space, std::uint64_t applied) {
  const std::lock_guard lock(mutex_);
  if (applied == 0) {
    seen_.erase(space);
  } else {
    seen_[space] = applied;
  }
}

void PgvectorIndex::note(std::uint64_t space, Part part, const Error* error) {
  const std::lock_guard lock(mutex_);
  if (error != nullptr) {
    problems_[{space, part}] = error->message;
  } else {
    problems_.erase({space, part});
  }
}

// What a server refuses (no room on its disk, no right to a table) leaves the index as it was: a problem for health(),
// and the core compares the rows.
template <class T> Result<T> PgvectorIndex::settle(std::uint64_t space, Part part, Result<T> done) {
  const bool refused = !done && (done.error().code == Errc::io || done.error().code == Errc::unsupported);
  if (done || refused) note(space, part, refused ? &done.error() : nullptr);
  if (refused) return Error{Errc::unavailable, done.error().message};
  return done;
}

std::vector<std::string> PgvectorIndex::problems() {
  std::vector<std::string> problems;
  if (auto problem = pool_->problem(); !problem.empty()) problems.push_back("vector index: " + problem);
  const std::lock_guard lock(mutex_);
  for (const auto& [where, problem] : problems_) {
    problems.push_back(fmt::format("vector index: space {}: {}", where.first, problem));
  }
  return problems;
}

// ---- Feeding -----------------------------------------------------------------------------------------------------

Result<void> PgvectorIndex::apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) {
  auto done = guarded(name, [&]() -> Result<void> {
    if (changes.empty() && to.vectors == 0 && seen(to.number) == 0) return {};  // takes no room before its first vector
    // Where nothing is there yet, the changes may be all there is.
    const bool all = are_all(to, changes);
    FRACTAL_TRY_INTO(auto connection, lease());
    FRACTAL_TRY_INTO(auto feed, Feed::after_commit(std::move(connection), to.number, feeding_, from == 0 || all));
    if (!feed) return {};
    const std::uint64_t applied = feed->space().applied;
    FRACTAL_TRY_INTO(const bool lost, has_lost(newest_, to, applied));
    const bool in_place = applied < to.sequence && (applied == from || (applied == 0 && all));
    if (!lost && !in_place) {
      see(to.number, applied);
      return {};
    }
    if (lost || applied != from || !feed->space().fits(to)) {
      FRACTAL_TRY(feed->restart());
      if (!all) {
        see(to.number, 0);
        return feed->commit_empty();
      }
    }
    FRACTAL_TRY(feed->add(to, changes));
    FRACTAL_TRY(feed->commit(to, false));
    see(to.number, to.sequence);
    return {};
  });
  return settle(to.number, Part::feed, std::move(done));
}

Result<void> PgvectorIndex::catch_up(const SpaceRecord& to, const Pull& pull) {
  Result<void> pulled;  // an error of it is the storage's
  const Pull noted_pull = [&](std::uint64_t after, const VectorVisitor& visit) { return pulled = pull(after, visit); };
  auto done = guarded(name, [&]() -> Result<void> {
    if (seen(to.number) >= to.sequence) return {};
    FRACTAL_TRY_INTO(const std::uint64_t applied, read_applied(to.number));
    FRACTAL_TRY_INTO(bool lost, has_lost(newest_, to, applied));
    if (!lost && applied >= to.sequence) return {};
    FRACTAL_TRY_INTO(auto connection, lease());
    FRACTAL_TRY_INTO(Feed feed, Feed::to_catch_up(std::move(connection), to.number, feeding_));
    FRACTAL_TRY_INTO(lost, has_lost(newest_, to, feed.space().applied));
    if (!lost && feed.space().applied >= to.sequence) {
      see(to.number, feed.space().applied);
      return {};
    }
    // Removals before the horizon are forgotten.
    if (lost || feed.space().applied < to.horizon || !feed.space().fits(to)) FRACTAL_TRY(feed.restart());
    FRACTAL_TRY(load(feed, to, noted_pull));
    see(to.number, to.sequence);
    return {};
  });
  return pulled ? settle(to.number, Part::feed, std::move(done)) : done;
}

Result<void> PgvectorIndex::load(Feed& feed, const SpaceRecord& to, const Pull& pull) {
  const std::uint64_t applied = feed.space().applied;
  VectorChanges pulled;
  std::set<std::uint64_t> sequences;
  bool any = false;
  Result<void> written;
  FRACTAL_TRY(pull(applied, [&](const VectorChange& change) {
    if (change.sequence <= applied) return true;  // is in it
    any = true;
    if (sequences.size() < most_counted) sequences.insert(change.sequence);
    pulled.add(change);
    if (is_full(pulled)) written = write(feed, to, pulled);
    return written.has_value();
  }));
  FRACTAL_TRY(std::move(written));
  if (!pulled.empty()) FRACTAL_TRY(write(feed, to, pulled));
  if (applied == 0) FRACTAL_TRY(check_still_there(newest_, to));
  // A memory that changed twice shows but its last change: only if every sequence is accounted for, no moment is
  // missing.
  return feed.commit(to, any && sequences.size() != to.sequence - applied);
}

Result<void> PgvectorIndex::forget(std::uint64_t space) {
  see(space, 0);
  FRACTAL_TRY_INTO(const auto connection, lease());
  return forget_space(*connection, space);
}

// What is left of the space cannot be asked for any more; that it is left is a problem for health().
void PgvectorIndex::drop(std::uint64_t space) {
  note_forgotten(space, guarded(name, [&] { return forget(space); }));
  if (options_.background) builder_.enqueue(space);  // its graph is not used any more
}

// ---- Asking ------------------------------------------------------------------------------------------------------

Result<VectorHits> PgvectorIndex::search(const SpaceRecord& space, const VectorQuery& query) {
  auto found = guarded(name, [&]() -> Result<VectorHits> {
    if (query.control != nullptr) FRACTAL_TRY(check_control(*query.control, "vector search"));
    if (query.as_of == 0) return VectorHits{};
    FRACTAL_TRY_INTO(const auto connection, lease());
    connection->obey(query.control);
    auto searched = begin_search(*connection, space.number);
    if (!searched || searched->space.applied < query.as_of) see(space.number, 0);  // somebody dropped it, perhaps
    if (!searched) return std::move(searched).error();
    FRACTAL_TRY_INTO(auto hits, search_indexed(*connection, *searched, query));
    if (options_.background && graphs_.is_due(searched->space, searched->graph)) builder_.enqueue(space.number);
    return hits;
  });
  return settle(space.number, Part::search, std::move(found));
}

Result<std::uint64_t> PgvectorIndex::read_applied(std::uint64_t space) {
  FRACTAL_TRY_INTO(const auto connection, lease());
  FRACTAL_TRY_INTO(const Rows rows, connection->run(applied_of, Values(space)));
  const std::uint64_t applied = rows.count() > 0 ? rows.natural(0, 0) : 0;
  see(space, applied);
  return applied;
}

std::uint64_t PgvectorIndex::applied(std::uint64_t space) {
  return guarded(name, [&] { return read_applied(space); }).value_or(0);
}

Result<VectorIndex::Stats> PgvectorIndex::read_stats(std::uint64_t space) {
  FRACTAL_TRY_INTO(const auto connection, lease());
  FRACTAL_TRY_INTO(const Rows rows, connection->run(stats_of, Values(space)));
  if (rows.count() == 0) return Stats{};
  FRACTAL_TRY_INTO(const IndexedSpace there, read_indexed(*connection, rows, space));
  const std::uint64_t comparable = there.vectors - there.raw, dead = rows.natural(0, 8);
  Stats stats{.vectors = there.vectors, .dead = dead, .applied = there.applied};
  stats.file_bytes = rows.natural(0, 10);
  stats.bytes = (there.vectors + dead) * (there.dimension * sizeof(float) + row_bytes) + stats.file_bytes;
  if (rows.integer(0, 9) != 0) stats.graph_vectors = comparable;
  if (!rows.null(0, 11) && comparable > 0) {
    stats.building = std::min(1.0, static_cast<double>(rows.natural(0, 11)) / static_cast<double>(comparable));
  }
  return stats;
}

VectorIndex::Stats PgvectorIndex::stats(std::uint64_t space) {
  return guarded(name, [&] { return read_stats(space); }).value_or(Stats{});
}

// ---- Upkeep ------------------------------------------------------------------------------------------------------

Result<void> PgvectorIndex::build(std::uint64_t space, bool anew, const Control& control) {
  return guarded(name, [&]() -> Result<void> {
    if (anew) FRACTAL_TRY(graphs_.purge(space, control));
    return graphs_.build(space, true, control);
  });
}

void PgvectorIndex::build_behind(std::uint64_t space) {
  {
    const std::lock_guard lock(mutex_);
    auto& next = next_build_[space];
    if (Clock::now() < next) return;
    next = Clock::now() + build_again_after;
  }
  Control control;
  control.cancel = &stopping_;
  const auto built = guarded(name, [&] { return graphs_.build(space, false, control); });
  if (!stopping_) note(space, Part::graph, built ? nullptr : &built.error());
}

}  // namespace fractal::postgres_backend
