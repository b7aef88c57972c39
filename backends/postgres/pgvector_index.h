// The vector index on a server with pgvector.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_INDEX_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_INDEX_H

#include <fractal/backend.h>
#include <fractal/pgvector.h>

#include "backends/postgres/pgvector_feed.h"
#include "backends/postgres/pgvector_graphs.h"
#include "backends/postgres/pool.h"
#include "src/builder.h"
#include "src/followed_storage.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fractal::postgres_backend {

// Makes the tables somebody's, and returns their identity.
using ClaimTables = std::function<Result<std::string>(Connection&)>;

Result<std::shared_ptr<VectorIndex>> make_pgvector_index(const PgvectorOptions& options, const ClaimTables& claim,
                                                         NewestRecord newest);

class PgvectorIndex final : public VectorIndex {
 public:
  PgvectorIndex(const PgvectorOptions& options, std::shared_ptr<Pool> pool, std::string identity, NewestRecord newest);
  ~PgvectorIndex() override;

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override;
  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override;
  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override;
  void drop(std::uint64_t space) override;
  Stats stats(std::uint64_t space) override;
  std::uint64_t applied(std::uint64_t space) override;
  // Of this process's memory.
  std::uint64_t bytes(std::uint64_t) override { return 0; }
  Result<void> build(std::uint64_t space, bool anew, const Control& control) override;
  Result<std::vector<std::string>> verify(const SpaceRecord& space, const Pull& pull, const Control& control) override;
  std::vector<std::string> problems() override;

 private:
  Result<Lease> lease();
  Result<Stats> read_stats(std::uint64_t space);
  Result<std::uint64_t> read_applied(std::uint64_t space);
  Result<void> forget(std::uint64_t space);
  std::set<std::uint64_t> take_unforgotten();
  void note_forgotten(std::uint64_t space, const Result<void>& forgotten);
  Result<void> load(Feed& feed, const SpaceRecord& to, const Pull& pull);
  void build_behind(std::uint64_t space);

  enum class Part : std::uint8_t { feed, search, forget, graph };
  std::uint64_t seen(std::uint64_t space) const;
  void see(std::uint64_t space, std::uint64_t applied);
  template <class T> Result<T> settle(std::uint64_t space, Part part, Result<T> done);
  void note(std::uint64_t space, Part part, const Error* error);

  const PgvectorOptions options_;
  const std::shared_ptr<Pool> pool_;
  const FeedSetting feeding_;
  const NewestRecord newest_;
  Graphs graphs_;

  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point retry_at_{};         // no attempt to connect before
  std::unordered_map<std::uint64_t, std::uint64_t> seen_{};  // applied, when last seen
  std::unordered_map<std::uint64_t, std::chrono::steady_clock::time_point> next_build_{};
  std::map<std::pair<std::uint64_t, Part>, std::string> problems_{};  // by space: what did not work the last time
  std::set<std::uint64_t> unforgotten_{};
  std::atomic<bool> stopping_{false};
  Builder builder_;  // the last: it stops before the rest goes
};

}  // namespace fractal::postgres_backend

#endif
