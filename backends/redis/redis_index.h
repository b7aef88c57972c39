// The vector index on a Redis, its parts in hand: for this component's own files and tests.
#ifndef FRACTAL_BACKENDS_REDIS_INDEX_H
#define FRACTAL_BACKENDS_REDIS_INDEX_H

#include "backends/redis/redis_store.h"
#include "src/remote_index.h"

#include <fractal/redis.h>

#include <memory>
#include <string>
#include <utility>

namespace fractal::redis_backend {

// Options with what their URL says, and the address that it names. invalid_argument, unsupported: as open_redis_index().
Result<std::pair<RedisIndexOptions, Address>> read_index_url(RedisIndexOptions options);

// `identity` tells the keys of one storage from another's.
std::shared_ptr<RedisStore> make_redis_store(const RedisIndexOptions& options, Address address,
                                             const std::string& identity);
Result<std::shared_ptr<RemoteVectorIndex>> make_redis_index(const RedisIndexOptions& given, const std::string& identity,
                                                            RemoteSource source);

}  // namespace fractal::redis_backend

#endif
