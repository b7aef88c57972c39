// The server that the tests run on, and indexes with collections of their own there.
#ifndef FRACTAL_TESTS_MILVUS_SERVER_H
#define FRACTAL_TESTS_MILVUS_SERVER_H

#include "backends/milvus/milvus_index.h"

#include <memory>
#include <string>

namespace fractal::testing {

// FRACTAL_TEST_MILVUS; where it is not set, the test program ends as skipped.
std::string milvus_server();

// An identity that nobody had before; the collections of the one before go, unless they are kept.
std::string fresh_milvus_identity();
void keep_milvus_collections();
void drop_milvus_collections(const std::string& identity);

// A storage that is as told, and can be read by nobody.
RemoteSource no_source();

// On the test's server unless the options name another.
std::shared_ptr<MilvusIndex> fresh_milvus_index(MilvusOptions options);
std::shared_ptr<MilvusIndex> milvus_index(MilvusOptions options, const std::string& identity, RemoteSource source);

}  // namespace fractal::testing

#endif
