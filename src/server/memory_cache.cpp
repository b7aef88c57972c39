// Invariant: what is held, with keys and the cost of an entry, is never more than the limit. What may go has half of it, what
// must stay and the buckets a quarter each: no kind takes the room of another.
#include <fractal/cache.h>

#include "src/error.h"
#include "src/server/token_bucket.h"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace fractal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t entry_cost = 200;  // of the containers, about

class MemoryCache final : public Cache {
 public:
  explicit MemoryCache(std::size_t most_bytes)
      : most_used_(most_bytes / 2), most_kept_(most_bytes / 4), most_levels_(most_bytes / 4) {}

  Result<std::optional<std::string>> get(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(std::string(key));
    if (found == values_.end()) return std::optional<std::string>();
    if (found->second->over <= Clock::now()) {
      drop(found->second);
      return std::optional<std::string>();
    }
    if (found->second->keep == Keep::while_room) used_.splice(used_.begin(), used_, found->second);
    return std::optional(found->second->value);
  }

  Result<void> put(std::string_view key, std::string_view value, std::chrono::milliseconds life, Keep keep) override {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (const auto found = values_.find(std::string(key)); found != values_.end()) drop(found->second);
    const std::size_t cost = 2 * key.size() + value.size() + entry_cost;
    if (keep == Keep::while_room && cost > most_used_) return {};
    if (keep == Keep::until_over && !room_to_keep(cost, now)) {
      return make_error(Errc::unavailable, "cache: no room for {} bytes more", cost);
    }
    while (keep == Keep::while_room && used_bytes_ + cost > most_used_) drop(std::prev(used_.end()));
    auto& list = keep == Keep::while_room ? used_ : kept_;
    list.push_front({std::string(key), std::string(value), now + life, keep, cost});
    values_.emplace(list.front().key, list.begin());
    bytes_of(keep) += cost;
    return {};
  }

  Result<bool> erase(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(std::string(key));
    if (found == values_.end()) return false;
    const bool there = found->second->over > Clock::now();
    drop(found->second);
    return there;
  }

  Result<Taken> take(std::string_view key, const Bucket& bucket) override {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    const double burst = std::max(1.0, bucket.burst);
    auto found = levels_.find(std::string(key));
    if (found == levels_.end()) {
      const std::size_t cost = key.size() + entry_cost;
      if (level_bytes_ + cost > most_levels_) forget_full_levels(now);
      found = levels_.emplace(std::string(key), Level{burst, now, bucket.per_second, burst}).first;
      level_bytes_ += cost;
    }
    Level& level = found->second;
    level.tokens = std::min(burst, level.at(now));
    level.per_second = bucket.per_second;
    level.burst = burst;
    level.then = now;
    if (level.tokens >= 1) {
      level.tokens -= 1;
      return Taken{true, level.tokens};
    }
    return Taken{false, level.tokens, wait_for_token(level.tokens, bucket.per_second)};
  }

 private:
  struct Entry {
    std::string key, value;
    Clock::time_point over;
    Keep keep;
    std::size_t cost;
  };
  using Entries = std::list<Entry>;
  struct Level {
    double tokens;
    Clock::time_point then;
    double per_second, burst;
    double at(Clock::time_point now) const {
      return std::min(burst, tokens + std::chrono::duration<double>(now - then).count() * per_second);
    }
  };

  std::size_t& bytes_of(Keep keep) { return keep == Keep::while_room ? used_bytes_ : kept_bytes_; }

  void drop(Entries::iterator entry) {
    bytes_of(entry->keep) -= entry->cost;
    values_.erase(entry->key);
    (entry->keep == Keep::while_room ? used_ : kept_).erase(entry);
  }

  bool room_to_keep(std::size_t cost, Clock::time_point now) {
    if (kept_bytes_ + cost <= most_kept_) return true;
    for (auto at = kept_.begin(); at != kept_.end();) {
      const auto entry = at++;
      if (entry->over <= now) drop(entry);
    }
    return kept_bytes_ + cost <= most_kept_;
  }

  // A full bucket is as good as none. If that is not enough, all go: better too generous than refusing everybody, or
  // than looking through all of them again for each one that comes.
  void forget_full_levels(Clock::time_point now) {
    std::erase_if(levels_, [&](const auto& level) {
      const bool full = level.second.at(now) >= level.second.burst;
      if (full) level_bytes_ -= level.first.size() + entry_cost;
      return full;
    });
    if (level_bytes_ <= most_levels_ - most_levels_ / 4) return;
    levels_.clear();
    level_bytes_ = 0;
  }

  const std::size_t most_used_, most_kept_, most_levels_;
  std::mutex mutex_;
  std::size_t used_bytes_ = 0, kept_bytes_ = 0, level_bytes_ = 0;
  Entries used_;  // the most recently used first
  Entries kept_;
  std::unordered_map<std::string, Entries::iterator> values_;
  std::unordered_map<std::string, Level> levels_;
};

}  // namespace

std::shared_ptr<Cache> make_memory_cache(std::size_t most_bytes) { return std::make_shared<MemoryCache>(most_bytes); }

}  // namespace fractal
