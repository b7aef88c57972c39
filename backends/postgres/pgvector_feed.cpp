// Invariant: vectors, their past and the space's row change in one transaction, by whoever holds that row's lock; so
// what stands there is what every change up to `applied` left, however many programs feed it the same.
//
// The transactions do not wait for the disk: what a crash of the server takes with it is whole transactions, the last
// ones, and the index follows again from where it is.
#include "backends/postgres/pgvector_feed.h"

#include "backends/postgres/rows.h"
#include "src/error.h"
#include "src/kernels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace fractal::postgres_backend {
namespace {

// Sequences for which earlier vectors are kept, at least: for views that began a little before a write.
constexpr std::uint64_t kept_sequences = 1'024;
constexpr std::size_t most_moments = 16;  // eight pairs

constexpr Statement begin{"feed the vector index", "BEGIN"};
constexpr Statement settings{
    "feed the vector index",
    "SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', $1, true), "
    "set_config('idle_in_transaction_session_timeout', $2, true)"};
constexpr Statement try_space{"lock a space of the vector index",
                              "WITH t AS MATERIALIZED (SELECT pg_try_advisory_xact_lock_shared(hashtextextended($2, "
                              "$1)) AS free) SELECT t.free, " FRACTAL_INDEXED
                              " FROM t LEFT JOIN LATERAL (SELECT * FROM sfm_pgvector_spaces WHERE space = $1 AND "
                              "t.free FOR UPDATE) AS s ON true"};
constexpr Statement take_turns{"wait for who loads the space",
                               "SELECT pg_advisory_xact_lock(hashtextextended($2, $1))"};
constexpr Statement lock_space{"lock a space of the vector index",
                               "SELECT " FRACTAL_INDEXED
                               " FROM sfm_pgvector_spaces AS s WHERE s.space = $1 FOR UPDATE"};
constexpr Statement make_space{"make a space of the vector index",
                               "INSERT INTO sfm_pgvector_spaces(space) VALUES ($1) ON CONFLICT DO NOTHING"};

constexpr Statement retire_vectors{
    "keep what goes of the vector index",
    "WITH c AS (SELECT * FROM unnest($2, $3) AS c(id, died)), "
    "gone AS (DELETE FROM sfm_pgvector AS v USING c WHERE v.space = $1 AND v.id = c.id "
    "RETURNING v.id, v.born, c.died, v.embedding, v.raw), "
    "kept AS (INSERT INTO sfm_pgvector_past(space, id, born, died, embedding, raw) "
    "SELECT $1, id, born, died, embedding, raw FROM gone), "
    "noted AS (" FRACTAL_NOTE_ERASED("SELECT $1 WHERE EXISTS (SELECT FROM gone)") ") "
    "UPDATE sfm_pgvector_spaces SET vectors = vectors - (SELECT count(*) FROM gone), "
    "raw = raw - (SELECT count(raw) FROM gone) WHERE space = $1"};
constexpr Statement put_embedding{
    "write to the vector index",
    "INSERT INTO sfm_pgvector(space, id, born, dimension, embedding) VALUES ($1, $2, $3, $4, $5)"};
constexpr Statement put_raw{"write to the vector index",
                            "INSERT INTO sfm_pgvector(space, id, born, dimension, raw) VALUES ($1, $2, $3, $4, $5)"};
constexpr Statement put_past_embedding{
    "write to the vector index",
    "INSERT INTO sfm_pgvector_past(space, id, born, died, embedding) VALUES ($1, $2, $3, $4, $5)"};
constexpr Statement put_past_raw{
    "write to the vector index",
    "INSERT INTO sfm_pgvector_past(space, id, born, died, raw) VALUES ($1, $2, $3, $4, $5)"};
constexpr Statement publish{
    "move the vector index on",
    "UPDATE sfm_pgvector_spaces SET applied = $2, moments = $3, changed = $4, dimension = $5, metric = $6, "
    "vectors = vectors + $7, raw = raw + $8, longest = greatest(longest, $9) WHERE space = $1"};
constexpr Statement trim{"forget the past of the vector index",
                         "DELETE FROM sfm_pgvector_past WHERE space = $1 AND died <= $2"};
constexpr Statement commit_work{"commit to the vector index", "COMMIT"};

constexpr Statement forget_row{"forget a space of the vector index",
                               "DELETE FROM sfm_pgvector_spaces WHERE space = $1"};
constexpr Statement forget_vectors{"forget a space of the vector index", "DELETE FROM sfm_pgvector WHERE space = $1"};
constexpr Statement forget_past{"forget a space of the vector index", "DELETE FROM sfm_pgvector_past WHERE space = $1"};
constexpr Statement note_erased{
    "forget a space of the vector index",
    FRACTAL_NOTE_ERASED("SELECT $1 WHERE EXISTS (SELECT FROM sfm_pgvector WHERE space = $1) OR "
                        "EXISTS (SELECT FROM sfm_pgvector_past WHERE space = $1)")};
constexpr Statement reset_row{"forget a space of the vector index",
                              "UPDATE sfm_pgvector_spaces SET applied = 0, moments = '{0,0}', changed = 0, dimension = "
                              "0, metric = 0, vectors = 0, "
                              "raw = 0, longest = 0 WHERE space = $1"};

Result<void> queue_forgetting(Connection& connection, std::uint64_t space) {
  FRACTAL_TRY(connection.queue(note_erased, Values(space)));
  FRACTAL_TRY(connection.queue(forget_vectors, Values(space)));
  return connection.queue(forget_past, Values(space));
}

Result<void> queue_begin(Connection& connection, std::string_view lock_timeout, const FeedSetting& setting) {
  const std::string idle = std::to_string(setting.idle.count());
  FRACTAL_TRY(connection.queue(begin));
  return connection.queue(settings, Values(Text{lock_timeout}, Text{idle}));
}

}  // namespace

Result<std::optional<Feed>> Feed::after_commit(Lease lease, std::uint64_t space, const FeedSetting& setting,
                                               bool make) {
  FRACTAL_TRY(queue_begin(*lease, "1s", setting));
  FRACTAL_TRY_INTO(Rows rows, lease->run(try_space, Values(space, Text{setting.identity})));
  if (rows.integer(0, 0) == 0) return std::optional<Feed>{};
  const bool present = !rows.null(0, 1);
  if (!present && !make) return std::optional<Feed>{};
  if (!present) {
    FRACTAL_TRY(lease->queue(make_space, Values(space)));
    FRACTAL_TRY_INTO(rows, lease->run(lock_space, Values(space)));
    if (rows.count() == 0) return std::optional<Feed>{};  // made and erased by somebody meanwhile
  }
  FRACTAL_TRY_INTO(auto indexed, read_indexed(*lease, rows, space, present ? 1 : 0));
  return std::optional<Feed>(Feed(std::move(lease), std::move(indexed)));
}

Result<Feed> Feed::to_catch_up(Lease lease, std::uint64_t space, const FeedSetting& setting) {
  FRACTAL_TRY(queue_begin(*lease, "500ms", setting));
  FRACTAL_TRY(lease->queue(take_turns, Values(space, Text{setting.identity})));
  FRACTAL_TRY(lease->queue(make_space, Values(space)));
  FRACTAL_TRY_INTO(const Rows rows, lease->run(lock_space, Values(space)));
  if (rows.count() == 0) {
    return make_error(Errc::unavailable, "{}: space {} of the vector index was erased just now", lease->server(),
                      space);
  }
  FRACTAL_TRY_INTO(auto indexed, read_indexed(*lease, rows, space));
  return Feed(std::move(lease), std::move(indexed));
}

Result<void> Feed::restart() {
  FRACTAL_TRY(queue_forgetting(*lease_, space_.number));
  FRACTAL_TRY(lease_->queue(reset_row, Values(space_.number)));
  space_ = IndexedSpace{.number = space_.number};
  space_.moments.clear();
  return {};
}

Result<double> Feed::square_of(const SpaceRecord& to, const VectorChange& change) const {
  if (change.vector.size() != to.dimension) {
    return make_error(Errc::corruption, "vector index: memory {} has {} components, its space {}", change.id,
                      change.vector.size(), to.dimension);
  }
  const double square = kernels::dot(change.vector.data(), change.vector.data(), change.vector.size());
  if (!std::isfinite(square) || (to.metric == Metric::cosine && square == 0)) {
    return make_error(Errc::corruption,
                      "vector index: the vector of memory {} is not finite, or zero where cosines count", change.id);
  }
  return square;
}

Result<void> Feed::retire(std::span<const std::uint64_t> ids, std::span<const std::uint64_t> deaths) {
  if (space_.vectors == 0) return {};
  return lease_->queue(retire_vectors, Values(space_.number, ids, deaths));
}

Result<void> Feed::put(const SpaceRecord& to, const VectorChange& change) {
  FRACTAL_TRY_INTO(const double square, square_of(to, change));
  ++added_;
  if (is_comparable(to.dimension, square)) {
    longest_ = std::max(longest_, std::sqrt(square));
    return lease_->queue(put_embedding,
                         Values(space_.number, change.id, change.sequence, to.dimension, Components{change.vector}));
  }
  ++added_raw_;
  const std::string bytes = embedding_bytes(change.vector);
  return lease_->queue(put_raw, Values(space_.number, change.id, change.sequence, to.dimension, Bytes{bytes}));
}

Result<void> Feed::put_past(const SpaceRecord& to, const VectorChange& change, std::uint64_t died) {
  FRACTAL_TRY_INTO(const double square, square_of(to, change));
  if (is_comparable(to.dimension, square)) {
    return lease_->queue(put_past_embedding,
                         Values(space_.number, change.id, change.sequence, died, Components{change.vector}));
  }
  const std::string bytes = embedding_bytes(change.vector);
  return lease_->queue(put_past_raw, Values(space_.number, change.id, change.sequence, died, Bytes{bytes}));
}

Result<void> Feed::add(const SpaceRecord& to, std::span<const VectorChange> changes) {
  std::map<MemoryId, std::vector<const VectorChange*>> of_id;
  for (const VectorChange& change : changes) of_id[change.id].push_back(&change);
  std::vector<std::uint64_t> ids, deaths;
  for (const auto& [id, all] : of_id) {
    ids.push_back(id);
    deaths.push_back(all.front()->sequence);
    changed_ = std::max(changed_, all.back()->sequence);
  }
  FRACTAL_TRY(retire(ids, deaths));
  for (const auto& [id, all] : of_id) {
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      if (!all[i]->vector.empty()) FRACTAL_TRY(put_past(to, *all[i], all[i + 1]->sequence));
    }
    if (!all.back()->vector.empty()) FRACTAL_TRY(put(to, *all.back()));
  }
  return {};
}

// Returns whether something of the past is not needed any more.
bool Feed::advance_moments(const SpaceRecord& to, bool gap) {
  auto& moments = space_.moments;
  if (gap || moments.empty()) {
    moments.insert(moments.end(), {to.sequence, to.sequence});
  } else {
    moments.back() = to.sequence;
  }
  const std::uint64_t first = moments.front();
  const std::uint64_t least = space_.applied > kept_sequences ? space_.applied - kept_sequences : 0;
  if (first + kept_sequences < least || moments.size() > most_moments) {
    while (moments.size() > most_moments || (moments.size() > 2 && moments[1] < least)) {
      moments.erase(moments.begin(), moments.begin() + 2);
    }
    moments.front() = std::max(moments.front(), least);
  }
  return moments.front() != first;
}

Result<void> Feed::commit(const SpaceRecord& to, bool gap) {
  if (advance_moments(to, gap)) { FRACTAL_TRY(lease_->queue(trim, Values(space_.number, space_.moments.front()))); }
  const std::span<const std::uint64_t> moments(space_.moments);
  FRACTAL_TRY(lease_->queue(publish, Values(space_.number, to.sequence, moments, std::max(space_.changed, changed_),
                                            to.dimension, static_cast<int>(to.metric), added_, added_raw_, longest_)));
  FRACTAL_TRY(lease_->run(commit_work));
  return {};
}

Result<void> Feed::commit_empty() {
  FRACTAL_TRY(lease_->run(commit_work));
  return {};
}

Result<void> forget_space(Connection& connection, std::uint64_t space) {
  FRACTAL_TRY(connection.queue(begin));
  FRACTAL_TRY(connection.queue(forget_row, Values(space)));
  FRACTAL_TRY(queue_forgetting(connection, space));
  FRACTAL_TRY(connection.run(commit_work));
  return {};
}

}  // namespace fractal::postgres_backend
