// Brings what is in memory of a space up to what other programs have committed, as soon as the storage tells of it
// (Storage::listen): so the next search has less to do. Searches are right without it.
#ifndef FRACTAL_SRC_FOLLOWER_H
#define FRACTAL_SRC_FOLLOWER_H

#include <fractal/backend.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace fractal {

class Follower {
 public:
  // Stops when it is told to. What fails is left to the next search, which says why.
  using Follow = std::function<void(const Space& space, const Control& control)>;

  // For what may have come past the library.
  using Index = std::function<void(const Control& control)>;

  // Null: the storage does not tell. `is_behind(number, sequence)`: whether there is something to follow. `index` is called
  // after notices that name no sequence.
  static std::unique_ptr<Follower> start(Storage& storage, std::function<bool(std::uint64_t, std::uint64_t)> is_behind,
                                         Follow follow, Index index);
  ~Follower();  // within the time that a statement takes to be cancelled
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // What is loaded of this space may follow.
  void add(const SpaceRecord& space);

 private:
  Follower(std::function<bool(std::uint64_t, std::uint64_t)> is_behind, Follow follow, Index index)
      : is_behind_(std::move(is_behind)), follow_(std::move(follow)), index_(std::move(index)) {}
  void notice(std::uint64_t space, std::uint64_t sequence);
  void run();

  const std::function<bool(std::uint64_t, std::uint64_t)> is_behind_;
  const Follow follow_;
  const Index index_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::uint64_t, Space> spaces_{};
  std::map<std::uint64_t, std::uint64_t> behind_{};  // number and sequence
  bool unknown_ = false;                             // there was a notice without a sequence
  std::atomic<bool> stopping_ = false;
  std::thread thread_{};
  std::shared_ptr<void> listening_{};  // goes first
};

}  // namespace fractal

#endif
