// The server that the tests run on, and collections of their own there.
#ifndef FRACTAL_TESTS_MILVUS_SERVER_H
#define FRACTAL_TESTS_MILVUS_SERVER_H

#include "backends/milvus/milvus_index.h"
#include "tests/conformance/remote_server.h"

#include <chrono>
#include <memory>
#include <string>

namespace fractal::testing {

// FRACTAL_TEST_MILVUS
std::string milvus_server();

// For Options::vector_index: the server, and collections whose names begin with a fresh identity. Every write is delivered
// before it returns. A purge takes half the grace, and a search of a quarter of it is not trusted.
std::string fresh_milvus_url(std::chrono::milliseconds grace);

std::unique_ptr<milvus::MilvusStore> milvus_store(const std::string& identity);

}  // namespace fractal::testing

#endif
