// Bringing a space of the pgvector index forward: one transaction, in which this has the space's row alone.
#ifndef FRACTAL_BACKENDS_POSTGRES_PGVECTOR_FEED_H
#define FRACTAL_BACKENDS_POSTGRES_PGVECTOR_FEED_H

#include <fractal/backend.h>

#include "backends/postgres/pgvector_space.h"
#include "backends/postgres/pool.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fractal::postgres_backend {

struct FeedSetting {
  std::string identity{};            // of the index (see pgvector_tables.h), for the lock of who loads a space
  std::chrono::milliseconds idle{};  // who says nothing for longer loses the space's row
};

// Undone unless commit() returns well.
class Feed {
 public:
  // For changes straight from a commit: nullopt if somebody loads the space just now, or if the index has nothing of it
  // and `make` does not say that it shall.
  static Result<std::optional<Feed>> after_commit(Lease lease, std::uint64_t space, const FeedSetting& setting,
                                                  bool make);
  // For all that is missing: waits a little while for who is at it, then `unavailable`.
  static Result<Feed> to_catch_up(Lease lease, std::uint64_t space, const FeedSetting& setting);

  const IndexedSpace& space() const noexcept { return space_; }
  // All that is held of the space goes, its past, too.
  Result<void> restart();
  // Changes later than the state's, rising by sequence. Each memory in one call only.
  Result<void> add(const SpaceRecord& to, std::span<const VectorChange> changes);
  // Has them done, so that not too much is on its way.
  Result<void> flush() { return lease_->flush(); }
  // `gap`: moments between the old state and the new one are not known.
  Result<void> commit(const SpaceRecord& to, bool gap);
  // After a restart, without new content.
  Result<void> commit_empty();

 private:
  Feed(Lease lease, IndexedSpace space) : lease_(std::move(lease)), space_(std::move(space)) {}
  Result<void> retire(std::span<const std::uint64_t> ids, std::span<const std::uint64_t> deaths);
  Result<void> put(const SpaceRecord& to, const VectorChange& change);
  Result<void> put_past(const SpaceRecord& to, const VectorChange& change, std::uint64_t died);
  Result<double> square_of(const SpaceRecord& to, const VectorChange& change) const;
  bool advance_moments(const SpaceRecord& to, bool gap);

  Lease lease_;
  IndexedSpace space_;
  std::uint64_t added_ = 0, added_raw_ = 0, changed_ = 0;
  double longest_ = 0;
};

// Waits for who is at it.
Result<void> forget_space(Connection& connection, std::uint64_t space);

}  // namespace fractal::postgres_backend

#endif
