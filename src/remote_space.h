// What this process knows of a space in a remote index: how far it is there, which moments it can answer, what waits to be
// sent.
#ifndef FRACTAL_SRC_REMOTE_SPACE_H
#define FRACTAL_SRC_REMOTE_SPACE_H

#include "src/vector_changes.h"
#include "src/version_store.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fractal {

// Changes straight from commits, in order and without a gap, until they are sent.
class ChangeQueue {
 public:
  bool empty() const { return changes_.empty() && from_ == to_.sequence; }
  std::uint64_t from() const { return from_; }
  const SpaceRecord& to() const { return to_; }
  std::uint64_t bytes() const { return changes_.bytes(); }
  void add(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes);
  std::vector<VectorChange> changes() const { return changes_.views(); }

 private:
  std::uint64_t from_ = 0;
  SpaceRecord to_{};
  VectorChanges changes_{};
};

// The sequences that can be answered, and how many vectors were living then. Bounded.
class KnownMoments {
 public:
  // Everything up to `to` is there, with so many vectors. contiguous: and every version since the last note.
  void note(std::uint64_t to, std::uint64_t vectors, bool contiguous);
  void clear();
  bool knows(std::uint64_t as_of) const;
  std::optional<std::uint64_t> vectors(std::uint64_t as_of) const;

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> spans_{};  // first, last
  std::map<std::uint64_t, std::uint64_t> vectors_{};
};

struct RemoteSpace {
  using Clock = std::chrono::steady_clock;

  std::mutex feeding;  // who delivers; taken before `mutex`
  std::mutex mutex;    // of all that follows; never held during a call
  VersionPlace place{};
  bool known = false;  // the mark has been read, or written by this process
  VersionMark mark{};  // what counts now
  Clock::time_point read_at{};
  std::uint64_t published = 0;    // marks written or adopted: what was read before is old
  std::uint64_t seen = 0;         // the newest sequence of the storage that was told
  std::uint64_t epoch_floor = 0;  // epochs up to this one do not count any more
  std::uint64_t losses = 0;       // who began before the last of them has delivered to something that is gone
  Clock::time_point distrusted_at{};
  int distrusted = 0;         // times, since then
  std::uint64_t applied = 0;  // not below mark.applied: changes to no vector need no mark
  std::uint64_t vectors = 0;  // as of `applied`
  KnownMoments moments{};

  ChangeQueue queue{};
  std::uint64_t in_flight = 0;     // bytes taken from the queue and not yet sent
  std::uint64_t tail = 0;          // while something is to be sent: where that ends
  bool behind = false;             // the storage has what the queue has not
  Clock::time_point not_before{};  // of the next attempt, after one that failed
  std::string problem{};

  std::vector<MemoryId> touched{};                                        // may have superseded versions
  std::vector<MemoryId> cleaned_ids{};                                    // those of them that are looked at next
  std::optional<std::pair<std::uint64_t, Clock::time_point>> cleaning{};  // `cleaned` to be, when it was due
  bool announced = false;                                                 // that has been written
  bool old_epochs = false;                                                // something may be left of them
  Clock::time_point epoch_since{};

  bool sends() const { return !queue.empty() || in_flight != 0; }
  std::uint64_t bytes() const {
    return sizeof(RemoteSpace) + queue.bytes() + in_flight +
           (touched.capacity() + cleaned_ids.capacity()) * sizeof(MemoryId);
  }
};

}  // namespace fractal

#endif
