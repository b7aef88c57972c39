// The Redis with vector search that the tests run on, and indexes with keys of their own there.
#ifndef FRACTAL_TESTS_REDIS_INDEX_SERVER_H
#define FRACTAL_TESTS_REDIS_INDEX_SERVER_H

#include "backends/redis/redis_index.h"
#include "tests/conformance/remote_server.h"

#include <memory>
#include <string>

namespace fractal::testing {

// FRACTAL_TEST_REDIS_SEARCH
std::string search_server();

// On the test's server unless the options name another.
std::shared_ptr<RemoteVectorIndex> redis_index(RedisIndexOptions options, const std::string& identity,
                                               RemoteSource source);
std::shared_ptr<redis_backend::RedisStore> redis_store(const std::string& url, const std::string& identity);

}  // namespace fractal::testing

#endif
