// Versions of vectors in a Redis with vector search: a hash for each version that the server compares or that lies outside
// its range, sorted sets that say which there are, and an FT index for each dimension and metric (index_keys.h).
#ifndef FRACTAL_BACKENDS_REDIS_STORE_H
#define FRACTAL_BACKENDS_REDIS_STORE_H

#include "backends/redis/index_keys.h"
#include "backends/redis/search_server.h"
#include "src/version_store.h"

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::redis_backend {

class RedisStore final : public VersionStore {
 public:
  // base: what the names of all keys begin with.
  RedisStore(Address address, Pool::Limits limits, std::string base);

  Result<bool> try_out() { return server_.try_out(); }

  std::string name() const override { return server_.name(); }
  std::string problem() override { return server_.problem(); }
  void stop() override { server_.stop(); }
  std::size_t most_k() const override;
  std::size_t most_ids() const override;
  Result<std::uint64_t> insert(const VersionPlace& place, std::uint64_t epoch, std::span<const Version> versions,
                               const Control* control) override;
  Result<VersionMark> mark(const VersionPlace& place, const Control* control) override;
  Result<void> put_mark(const VersionPlace& place, const VersionMark& mark, bool first) override;
  Result<void> put_cleaned(const VersionPlace& place, std::uint64_t epoch, std::uint64_t cleaned) override;
  Result<std::vector<StoredVersion>> nearest(const VersionPlace& place, const VersionMoment& moment,
                                             const NearestQuery& query) override;
  Result<std::vector<StoredVersion>> versions(const VersionPlace& place, const VersionMoment& moment,
                                              std::span<const MemoryId> ids, bool with_vectors,
                                              const Control* control) override;
  Result<std::vector<StoredVersion>> raw_versions(const VersionPlace& place, const VersionMoment& moment,
                                                  const Control* control) override;
  Result<void> list(const VersionPlace& place, const VersionMoment& moment, MemoryId last, bool with_vectors,
                    const Visit& visit, const Control* control) override;
  Result<void> erase(const VersionPlace& place, std::uint64_t epoch, std::span<const Name> versions) override;
  Result<void> erase_epochs_before(const VersionPlace& place, std::uint64_t epoch) override;
  Result<void> erase_space(std::uint64_t number) override;

 private:
  PlaceKeys keys_of(const VersionPlace& place) const { return {base_, place.dimension, place.metric}; }
  Error lost(const VersionPlace& place, std::uint64_t epoch);
  std::uint64_t last_write(const VersionPlace& place, std::uint64_t epoch);
  // The write of a moment, and the last to its epoch that this process has seen.
  struct Writes {
    std::string asked{}, last{};
  };
  Writes writes_of(const VersionPlace& place, const VersionMoment& moment);
  void note_write(const VersionPlace& place, std::uint64_t epoch, std::uint64_t token);
  Result<std::uint64_t> write(const VersionPlace& place, std::uint64_t epoch, std::span<const Version> versions,
                              const Control* control);
  Result<Reply> read(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment, Command command,
                     std::size_t size, const Control* control);
  // `found_rows`: how many the FT index gave, with those that do not count.
  Result<std::vector<StoredVersion>> counted_nearest(const VersionPlace& place, const VersionMoment& moment,
                                                     const NearestQuery& query, std::size_t k, std::size_t& found_rows);
  Result<void> leave_counted(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment,
                             std::vector<StoredVersion>& versions, const Control* control);
  Result<void> fetch(const VersionPlace& place, const EpochKeys& keys, const VersionMoment& moment,
                     std::vector<StoredVersion>& versions, const Control* control);
  Result<void> erase_epoch(const PlaceKeys& place, std::uint64_t space, const std::string& epoch);

  SearchServer server_;
  const std::string base_;
  std::mutex mutex_;  // of what follows
  // The last write to an epoch that this process has seen.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> writes_{};
};

}  // namespace fractal::redis_backend

#endif
