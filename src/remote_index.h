// The vector index of a machine elsewhere: src/version_store.h holds the versions, and here are the rules.
//
// A search proposes, fetches and compares: what the server gives is checked against the versions of the same memories,
// scored by this program, and asked for again, wider, until min(k, matched) are there. What cannot be had so is
// `unavailable`, and the core compares the rows.
#ifndef FRACTAL_SRC_REMOTE_INDEX_H
#define FRACTAL_SRC_REMOTE_INDEX_H

#include <fractal/remote_vector_index.h>

#include "src/erased_spaces.h"
#include "src/followed_storage.h"
#include "src/remote_space.h"
#include "src/space_map.h"
#include "src/version_store.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fractal {

struct RemoteSetting {
  bool wait = false;                                       // apply() and catch_up() return when all is sent
  std::uint64_t queue_bytes = 64u << 20;                   // of a space
  std::uint64_t most_scanned = 100'000;                    // VectorIndex::most_scanned()
  std::chrono::milliseconds grace{60'000};                 // superseded versions stay so long
  std::size_t batch_rows = 1'000, batch_bytes = 4u << 20;  // of one delivery
};

// The storage that the index follows.
struct RemoteSource {
  using Read = std::function<Result<void>(const SpaceRecord& record, const VectorIndex::Pull& pull)>;
  NewestRecord newest;
  // The newest view of it, with what `columns` says of each vector.
  std::function<Result<void>(const Space& space, VectorColumns columns, const Read& read)> read;
  // By its number; nothing if there is none.
  std::function<Result<std::optional<Space>>(std::uint64_t number)> space{};
  // Spaces that were erased and whose vectors may still be elsewhere, and that one's are not. Null: nobody keeps them.
  std::function<Result<std::vector<ErasedSpace>>()> erased{};
  std::function<Result<void>(std::uint64_t number)> forget_erased{};
};

// A space as of a moment.
struct SearchedRemote {
  VersionPlace place{};
  VersionMark mark{};
  std::uint64_t living = 0;
};

class RemoteIndex final : public RemoteVectorIndex {
 public:
  RemoteIndex(std::shared_ptr<VersionStore> store, RemoteSource source, RemoteSetting setting);
  ~RemoteIndex() override;

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override;
  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override;
  Result<VectorHits> search(const SpaceRecord& record, const VectorQuery& query) override;
  std::uint64_t most_scanned() const override { return setting_.most_scanned; }
  VectorColumns columns() const override { return store_->columns(); }
  void drop(std::uint64_t space) override;
  Stats stats(std::uint64_t number) override;
  std::uint64_t applied(std::uint64_t space) override;
  std::uint64_t bytes(std::uint64_t number) override;
  Result<void> build(std::uint64_t number, bool anew, const Control& control) override;
  void erase(std::uint64_t space) override;
  Result<std::vector<std::string>> verify(const SpaceRecord& record, const Pull& pull, const Control& control) override;
  std::vector<std::string> problems() override;

  Result<ReconcileReport> reconcile(const SpaceRecord& record, const Pull& pull, const Control& control) override;
  bool flush(std::uint64_t number, const Control& control) override;

 private:
  using Clock = std::chrono::steady_clock;
  using SpacePtr = std::shared_ptr<RemoteSpace>;

  // remote_feed.cpp
  SpacePtr space_of(const SpaceRecord& record);
  Result<void> read_mark(RemoteSpace& space, const SpaceRecord& to, bool always, const Control* control = nullptr);
  bool is_fresh(const RemoteSpace& space) const;
  void adopt(RemoteSpace& space, const VersionMark& mark);
  void forget(RemoteSpace& space, bool for_good);
  Result<bool> was_set_back(RemoteSpace& space, const SpaceRecord& to);
  Result<void> apply_now(RemoteSpace& space, const SpaceRecord& to, std::uint64_t from,
                         std::span<const VectorChange> changes);
  Result<void> apply_later(RemoteSpace& space, const SpaceRecord& to, std::uint64_t from,
                           std::span<const VectorChange> changes);
  // What a delivery began with.
  struct Begun {
    std::uint64_t epoch = 0, losses = 0;
  };
  static Begun begun(const RemoteSpace& space) { return {space.mark.epoch, space.losses}; }
  Result<void> check_begun(RemoteSpace& space, Begun begun);
  Result<void> deliver(RemoteSpace& space, const SpaceRecord& to, std::span<const VectorChange> changes, Begun begun,
                       bool anew);
  Result<void> pull_into(RemoteSpace& space, const SpaceRecord& to, const Pull& pull, bool anew);
  Result<std::uint64_t> send(const VersionPlace& place, std::uint64_t epoch, std::span<const Version> versions);
  Result<void> publish(RemoteSpace& space, const VersionMark& mark, Begun begun, std::span<const MemoryId> touched,
                       bool contiguous);
  void note_failure(RemoteSpace& space, const Error& error);

  // remote_index.cpp
  Error note_lost(RemoteSpace& space, Error error);  // not_found only
  Result<SearchedRemote> searched(RemoteSpace& space, const SpaceRecord& record, const VectorQuery& query);
  Result<SearchedRemote> brought_up_to(RemoteSpace& space, const SpaceRecord& record, const Pull& pull,
                                       const Control& control);
  Result<std::optional<VersionMark>> load_anew(std::uint64_t number, const Control& control);

  // remote_worker.cpp
  void wake(std::uint64_t space);
  void work();
  void work_on(std::uint64_t number);
  Result<void> send_queue(RemoteSpace& space);
  Result<void> follow(RemoteSpace& space);
  Result<void> clean(RemoteSpace& space);
  Result<void> clean_superseded(RemoteSpace& space, std::uint64_t up_to);
  Result<void> clean_some(const VersionPlace& place, const VersionMoment& moment, std::span<const MemoryId> ids);
  void forget_erased();
  void read_erased();

  const std::shared_ptr<VersionStore> store_;
  const RemoteSource source_;
  const RemoteSetting setting_;
  SpaceMap<RemoteSpace> spaces_;

  std::atomic<bool> stopping_{false};
  Control own_control_{};  // of the worker
  std::mutex mutex_;       // of what follows
  std::condition_variable wake_, idle_;
  std::set<std::uint64_t> due_{};
  struct Erasure {
    Clock::time_point last;  // when it is done for the last time: what was on its way until then is there by then
    bool done = false;       // once, at least
  };
  std::map<std::uint64_t, Erasure> erased_{};  // spaces that are not yet gone from the server
  bool erased_read_ = false;                   // what other programs have left of them
  std::string erase_problem_{};
  std::thread worker_;
};

// remote_feed.cpp: what a change leaves, with views of its vector. corruption if the space cannot have that vector.
Result<Version> version_of(const SpaceRecord& space, const VectorChange& change);

std::chrono::system_clock::time_point begun_at(std::uint64_t epoch);

// remote_search.cpp
// The server's sums of float32 neither overflow nor vanish. Square: a vector's product with itself.
inline bool is_comparable(double square) { return 1e-12 <= square && square <= 1e12; }
Result<VectorHits> search_remote(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record,
                                 const VectorQuery& query);

// remote_verify.cpp
struct RemoteDifferences {
  std::vector<std::string> sentences{};  // the first of them
  std::uint64_t vectors = 0, missing = 0, stale = 0, orphans = 0;
};
// mend: null to look only; otherwise it is told of versions to write and to erase, batch by batch.
struct RemoteMend {
  std::function<Result<void>(std::span<const VectorChange>)> write;
  std::function<Result<void>(std::span<const VersionStore::Name>)> erase;
};
Result<RemoteDifferences> compare_remote(VersionStore& store, const SearchedRemote& space, const SpaceRecord& record,
                                         const VectorIndex::Pull& pull, const RemoteMend* mend, const Control& control);

}  // namespace fractal

#endif
