// What a server keeps beside the memory, for a while: answers of searches, sessions, and the buckets of rate limits.
// Servers that share a cache share sessions and buckets. In this process by default; derive from Cache for another place.
#ifndef FRACTAL_CACHE_H
#define FRACTAL_CACHE_H

#include <fractal/result.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {

// Any thread may call, also those that must not wait for long: a request is let in by it (but see may_wait()). Keys and
// values are any bytes. Nothing here has to survive the process. Where an error is returned, the server makes an answer
// anew, counts rates by itself, and lets nobody in by a session (503).
class FRACTAL_API Cache {
 public:
  virtual ~Cache() = default;

  enum class Keep {
    while_room,  // goes when others need its room
    until_over,  // stays until its time is up
  };
  // nullopt: not there, or its time is up.
  virtual Result<std::optional<std::string>> get(std::string_view key) = 0;
  // In place of what was there. unavailable: no room for something that must stay.
  virtual Result<void> put(std::string_view key, std::string_view value, std::chrono::milliseconds life, Keep keep) = 0;
  // Whether it was there.
  virtual Result<bool> erase(std::string_view key) = 0;

  // A token bucket (RFC 2697, section 3, with one rate): full at first, `per_second` tokens flow in, never more than
  // `burst` (1 at least) are in it.
  struct Bucket {
    double per_second = 1;
    double burst = 1;
  };
  struct Taken {
    bool granted = true;
    double left = 0;                    // in the bucket, afterwards
    std::chrono::milliseconds wait{0};  // until there is a token again, if it was not granted
  };
  // One token of the bucket with this key.
  virtual Result<Taken> take(std::string_view key, const Bucket& bucket) = 0;

  // Whether a call may wait for another machine: then the server makes it from a thread that may wait.
  virtual bool may_wait() const { return false; }
};

// In this process. Holds at most about so many bytes with keys and what else an entry costs: half of them of what may go, a
// quarter of what must stay, a quarter of buckets.
FRACTAL_API std::shared_ptr<Cache> make_memory_cache(std::size_t most_bytes = 32u << 20);

// How a URL leads to a cache. A component's header adds its schemes by itself: a program that includes <fractal/redis.h> can
// open_cache("redis://..."). Replaces what was there; always true. Any thread.
using CacheOpener = Result<std::shared_ptr<Cache>> (*)(const std::string& url);
FRACTAL_API bool add_cache_scheme(std::string_view scheme, CacheOpener open);
FRACTAL_API std::vector<std::string> cache_schemes();  // rising
// invalid_argument: no URL; unsupported: a scheme that this program does not know; else what the cache says.
FRACTAL_API Result<std::shared_ptr<Cache>> open_cache(const std::string& url);

}  // namespace fractal

#endif
