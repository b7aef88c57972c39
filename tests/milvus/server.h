// The server that the tests run on, and indexes with collections of their own there.
#ifndef FRACTAL_TESTS_MILVUS_SERVER_H
#define FRACTAL_TESTS_MILVUS_SERVER_H

#include "backends/milvus/milvus_index.h"

#include <chrono>
#include <memory>
#include <string>

namespace fractal::testing {

// FRACTAL_TEST_MILVUS; where it is not set, the test program ends as skipped.
std::string milvus_server();

// An identity that nobody had before. Its collections go when the program ends, or by drop_milvus_collections().
std::string fresh_milvus_identity();
// For Options::vector_index: the server, and collections whose names begin with such an identity. Every write is delivered
// before it returns. A purge takes half the grace, and a search of a quarter of it is not trusted.
std::string fresh_milvus_url(std::chrono::milliseconds grace);
void drop_milvus_collections(const std::string& identity);

// Rows past every rule.
std::unique_ptr<milvus::MilvusStore> milvus_store(const std::string& identity);

// A storage that is as told, and can be read by nobody.
RemoteSource no_source();

// On the test's server unless the options name another. The collections of the last fresh one go.
std::shared_ptr<MilvusIndex> fresh_milvus_index(MilvusOptions options);
std::shared_ptr<MilvusIndex> milvus_index(MilvusOptions options, const std::string& identity, RemoteSource source);

}  // namespace fractal::testing

#endif
