// Invariant: an index that is open has checked options, keys that no other storage's index uses, and a server that can do
// what it needs, or none that answers.
#include "backends/redis/redis_index.h"
#include "src/error.h"
#include "src/remote_open.h"

#include <fmt/format.h>

namespace fractal::redis_backend {

Result<std::pair<RedisIndexOptions, Address>> read_index_url(RedisIndexOptions options) {
  FRACTAL_TRY_INTO(Address address, address_of(options.url));
  options.prefix = address.prefix.value_or(options.prefix);
  options.wait = address.wait.value_or(options.wait);
  options.queue_bytes = address.queue_bytes.value_or(options.queue_bytes);
  options.most_scanned = address.most_scanned.value_or(options.most_scanned);
  if (address.call_timeout) options.call_timeout = std::chrono::milliseconds(*address.call_timeout);
  if (address.grace) options.grace = std::chrono::milliseconds(*address.grace);
  FRACTAL_TRY(check_limits(options.prefix, options.most_connections, {options.connect_timeout, options.call_timeout}));
  if (options.grace < std::chrono::milliseconds(100)) {
    return Error{Errc::invalid_argument, "redis: grace is less than 100 ms"};
  }
  if (address.database != 0) {
    return make_error(Errc::unsupported, "{}: an FT index can only be in database 0, not in {}",
                      address.endpoint.name(), address.database);
  }
  return std::pair(std::move(options), std::move(address));
}

std::shared_ptr<RedisStore> make_redis_store(const RedisIndexOptions& options, Address address,
                                             const std::string& identity) {
  const Pool::Limits limits{options.most_connections, options.connect_timeout, options.call_timeout};
  return std::make_shared<RedisStore>(std::move(address), limits, fmt::format("{}:{}", options.prefix, identity));
}

Result<std::shared_ptr<RemoteVectorIndex>> make_redis_index(const RedisIndexOptions& given, const std::string& identity,
                                                            RemoteSource source) {
  FRACTAL_TRY_INTO(const auto read, read_index_url(given));
  const auto& [options, address] = read;
  auto store = make_redis_store(options, address, identity);
  FRACTAL_TRY(store->try_out());  // that nobody answers is not for now
  const RemoteSetting setting{.wait = options.wait,
                              .queue_bytes = options.queue_bytes,
                              .most_scanned = options.most_scanned,
                              .grace = options.grace};
  return std::shared_ptr<RemoteVectorIndex>(
      std::make_shared<RemoteIndex>(std::move(store), std::move(source), setting));
}

}  // namespace fractal::redis_backend

namespace fractal {

Result<std::shared_ptr<RemoteVectorIndex>> open_redis_index(const RedisIndexOptions& options,
                                                            const std::shared_ptr<Storage>& storage) {
  if (!storage) return Error{Errc::invalid_argument, "redis: no storage is given"};
  FRACTAL_TRY(redis_backend::read_index_url(options));
  FRACTAL_TRY_INTO(const std::string identity, remote_identity(*storage, "redis"));
  return redis_backend::make_redis_index(options, identity, source_of(storage));
}

Result<std::shared_ptr<VectorIndex>> open_redis_index_url(const std::string& url, const Options&,
                                                          const std::shared_ptr<Storage>& storage) {
  FRACTAL_TRY_INTO(auto index, open_redis_index({.url = url}, storage));
  return std::shared_ptr<VectorIndex>(std::move(index));
}

}  // namespace fractal
