// Whether anything happened in a space, for many who wait for it: the memory is asked once for all of them.
#ifndef FRACTAL_SRC_SERVER_CHANGE_WATCH_H
#define FRACTAL_SRC_SERVER_CHANGE_WATCH_H

#include <fractal/fractal_memory.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

namespace fractal::server {

// Any thread. Never waits for the memory, but in look().
class ChangeWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds pause{200};

  // One who waits, as long as it lives.
  class Watcher {
   public:
    Watcher(ChangeWatch& watch, FractalMemory memory) : watch_(watch), memory_(std::move(memory)) {
      const std::lock_guard lock(watch_.mutex_);
      ++watch_.spaces_[memory_.space()].watchers;
    }
    ~Watcher() {
      const std::lock_guard lock(watch_.mutex_);
      const auto at = watch_.spaces_.find(memory_.space());
      if (--at->second.watchers == 0) watch_.spaces_.erase(at);
    }
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Asks the memory; the others know it for a while.
    SpaceState look() {
      SpaceState state = memory_.state().value();
      const std::lock_guard lock(watch_.mutex_);
      Watched& watched = watch_.spaces_[memory_.space()];
      watched.state = state;
      watched.next_look = Clock::now() + pause;
      return state;
    }
    // False: it is this one's turn to look, or there is something else than `known`.
    bool is_quiet(const SpaceState& known) {
      const std::lock_guard lock(watch_.mutex_);
      Watched& watched = watch_.spaces_[memory_.space()];
      const auto now = Clock::now();
      if (now >= watched.next_look) {
        watched.next_look = now + pause;
        return false;
      }
      return watched.state == known;
    }
    const FractalMemory& memory() const noexcept { return memory_; }

   private:
    ChangeWatch& watch_;
    FractalMemory memory_;
  };

 private:
  struct Watched {
    std::size_t watchers = 0;
    std::optional<SpaceState> state{};
    Clock::time_point next_look{};
  };
  std::mutex mutex_;
  std::map<Space, Watched> spaces_;
};

}  // namespace fractal::server

#endif
