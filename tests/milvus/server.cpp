// Invariant: the collections of an identity are all that is made under it.
#include "tests/milvus/server.h"

#include <fmt/format.h>

namespace fractal::testing {

std::string milvus_server() { return required_server("FRACTAL_TEST_MILVUS"); }

std::unique_ptr<milvus::MilvusStore> milvus_store(const std::string& identity) {
  const MilvusOptions options{.url = milvus_server()};
  const auto read = milvus::read_url(options).value();
  return std::make_unique<milvus::MilvusStore>(milvus::Client::open(read.second, read.first).value(),
                                               "fractal_" + identity, read.first);
}

std::string fresh_milvus_url(std::chrono::milliseconds grace) {
  return fmt::format("{}?prefix=fractal_{}&wait=yes&grace={}", milvus_server(), fresh_remote_identity(), grace.count());
}

std::shared_ptr<VersionStore> remote_store(const std::string& identity) { return milvus_store(identity); }
void lose_all(const std::string& identity) { (void)milvus_store(identity)->drop_all(); }

}  // namespace fractal::testing
