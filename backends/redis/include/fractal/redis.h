// What programs share on a Redis: servers their answers, sessions and the buckets of rate limits, and any program a vector
// index, where the Redis has vector search (docs/backends.md). Never memories: a Redis may be lost at any moment, and costs
// time then.
//
//   #include <fractal/redis.h>
//   auto cache = fractal::open_redis_cache({.url = "redis://127.0.0.1:6379"}).value();
//   auto server = fractal::Server::start(memory, {.token = "a long secret", .cache = cache}).value();
//
//   auto memory = fractal::FractalMemory::open({.path = "agent.db", .vector_index = "redis://127.0.0.1:6379"}).value();
#ifndef FRACTAL_REDIS_H
#define FRACTAL_REDIS_H

#include <fractal/cache.h>
#include <fractal/remote_vector_index.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fractal {

struct RedisOptions {
  // redis://[user][:password@]host[:port][/database], redis+unix:///path/of/the.sock?db=1; reserved characters as %40. With
  // ?prefix=blue&call_timeout=MS these go before the fields below. No message names the password.
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

// ---- Vectors -----------------------------------------------------------------------------------------------------

struct RedisIndexOptions {
  // As RedisOptions::url; FT indexes are in database 0 alone. What ?wait=yes&grace=MS&queue_bytes=N&most_scanned=N&... names
  // goes before the fields below; numbers are 1 at least.
  std::string url{};
  std::string prefix = "fractal";  // as RedisOptions::prefix
  std::size_t most_connections = 16;
  // false: writes return at once and a thread delivers them; until it has, the core compares what is missing by itself.
  bool wait = false;
  // Of what waits to be delivered, a space; beyond it is read from the storage again.
  std::uint64_t queue_bytes = 64u << 20;
  std::uint64_t most_scanned = 100'000;  // rows that the core may compare by itself; beyond: `unavailable`
  std::chrono::milliseconds connect_timeout{2'000};
  std::chrono::milliseconds call_timeout{10'000};  // the server adds up to 100 vectors to its graph in one call
  // Replaced vectors are kept so long, for who still reads an older moment; 100 ms at least.
  std::chrono::milliseconds grace{60'000};
};

// Makes FT indexes when they are needed. The storage has a setting that names its keys, so several storages may share a
// server and a prefix. Any thread; the index, too. A server that does not answer is no error: the index follows when it
// does.
// invalid_argument: the URL is none, or an option is out of its range. unsupported: a server that answers and has no
// vector search (the message names the module that is missing), throws out any key (`maxmemory-policy allkeys-*`), or is
// a cluster's node; another database than 0; rediss://.
FRACTAL_API Result<std::shared_ptr<RemoteVectorIndex>> open_redis_index(const RedisIndexOptions& options,
                                                                        const std::shared_ptr<Storage>& storage);

// What Options::vector_index = "redis://..." does.
FRACTAL_API Result<std::shared_ptr<VectorIndex>> open_redis_index_url(const std::string& url, const Options& options,
                                                                      const std::shared_ptr<Storage>& storage);
inline const bool redis_index_scheme_added = add_vector_index_scheme("redis", &open_redis_index_url) &&
                                             add_vector_index_scheme("rediss", &open_redis_index_url) &&
                                             add_vector_index_scheme("redis+unix", &open_redis_index_url);

}  // namespace fractal

#endif
