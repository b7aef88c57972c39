// Invariant: the keys and FT indexes of an identity are all that is made under it.
#include "tests/redis/index_server.h"

namespace fractal::testing {
namespace {

using redis_backend::Command;
using redis_backend::Pool;
using redis_backend::Reply;

}  // namespace

std::string search_server() { return required_server("FRACTAL_TEST_REDIS_SEARCH"); }

std::shared_ptr<redis_backend::RedisStore> redis_store(const std::string& url, const std::string& identity) {
  const auto read = redis_backend::read_index_url({.url = url}).value();
  return redis_backend::make_redis_store(read.first, read.second, identity);
}

std::shared_ptr<VersionStore> remote_store(const std::string& identity) {
  return redis_store(search_server(), identity);
}

// FT indexes, with their rows, and all other keys.
void lose_all(const std::string& identity) {
  Pool pool(redis_backend::address_of(search_server()).value(), {.call_timeout = std::chrono::seconds(10)});
  const auto ask = [&](Command command) {
    return std::move(pool.ask({&command, 1}, Pool::Repeat::again).value().front());
  };
  const std::string base = "fractal:" + identity;
  for (const Reply& index : ask({{"FT._LIST"}}).list) {
    if (index.text.starts_with(base)) ask({{"FT.DROPINDEX", index.text}});
  }
  const std::string pattern = base + ":*";
  std::string cursor = "0";
  do {
    const Reply page = ask({{"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}});
    cursor = page.list.at(0).text;
    for (const Reply& key : page.list.at(1).list) ask({{"UNLINK", key.text}});
  } while (cursor != "0");
}

std::shared_ptr<RemoteVectorIndex> redis_index(RedisIndexOptions options, const std::string& identity,
                                               RemoteSource source) {
  if (options.url.empty()) options.url = search_server();
  return redis_backend::make_redis_index(options, identity, std::move(source)).value();
}

}  // namespace fractal::testing
