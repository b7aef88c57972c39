// What servers keep beside the memory, on a Redis that they share: answers, sessions and the buckets of rate limits
// (docs/backends.md). Never memories: a Redis may be lost at any moment, and costs time then.
//
//   #include <fractal/redis.h>
//   auto cache = fractal::open_redis_cache({.url = "redis://127.0.0.1:6379"}).value();
//   auto server = fractal::Server::start(memory, {.token = "a long secret", .cache = cache}).value();
#ifndef FRACTAL_REDIS_H
#define FRACTAL_REDIS_H

#include <fractal/cache.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace fractal {

struct RedisOptions {
  // redis://[user][:password@]host[:port][/database], redis+unix:///path/of/the.sock?db=1; reserved characters as %40. With
  // ?prefix=blue it goes before `prefix`. No message names the password.
  std::string url{};
  // Every key begins with it: programs with different ones see nothing of each other. 1 to 100 letters, digits and "._-:".
  // All keys of one are in one slot of a cluster.
  std::string prefix = "fractal";
  std::size_t most_connections = 16;  // at once; who needs one more waits for call_timeout, then `unavailable`
  std::chrono::milliseconds connect_timeout{500};  // a name that has to be looked up may take longer
  std::chrono::milliseconds call_timeout{250};     // then `unavailable`
};

// Any thread; the cache, too. A server that does not answer is no error here: it may come later, and meanwhile the calls
// are `unavailable`, one of them after a time-out and the others at once, with the reason. What must stay
// (Keep::until_over) is kept out of the way of `maxmemory-policy volatile-lru`; keys and values of more than 1 MiB
// together are not kept.
// invalid_argument: the URL is none, or an option is out of its range. unsupported: rediss:// (no TLS here), or a server
// before Redis 6. unavailable: a server answers, and lets nobody in.
FRACTAL_API Result<std::shared_ptr<Cache>> open_redis_cache(const RedisOptions& options);

// What `fractal serve --cache redis://...` does.
FRACTAL_API Result<std::shared_ptr<Cache>> open_redis_url(const std::string& url);
inline const bool redis_scheme_added = add_cache_scheme("redis", &open_redis_url) &&
                                       add_cache_scheme("rediss", &open_redis_url) &&
                                       add_cache_scheme("redis+unix", &open_redis_url);

}  // namespace fractal

#endif
