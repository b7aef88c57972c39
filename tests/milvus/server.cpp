// Invariant: what a test program made on the server goes with it.
#include "tests/milvus/server.h"

#include "tests/conformance/remote_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace fractal::testing {
namespace {
// The collections go with the program.
struct Made {
  std::vector<std::string> identities{};
  ~Made() {
    for (const std::string& identity : identities) drop_milvus_collections(identity);
  }
} made;

}  // namespace

std::string milvus_server() {
  const char* const url = std::getenv("FRACTAL_TEST_MILVUS");
  if (url != nullptr && *url != '\0') return url;
  std::puts("skipped: FRACTAL_TEST_MILVUS names no server");
  std::exit(77);
}

std::unique_ptr<milvus::MilvusStore> milvus_store(const std::string& identity) {
  const MilvusOptions options{.url = milvus_server()};
  const auto read = milvus::read_url(options).value();
  return std::make_unique<milvus::MilvusStore>(milvus::Client::open(read.second, read.first).value(),
                                               "fractal_" + identity, read.first);
}

void drop_milvus_collections(const std::string& identity) { (void)milvus_store(identity)->drop_all(); }

std::string fresh_milvus_identity() {
  std::random_device random;
  return made.identities.emplace_back(fmt::format("{:08x}{:08x}", random(), random()));
}

std::string fresh_milvus_url(std::chrono::milliseconds grace) {
  return fmt::format("{}?prefix=fractal_{}&wait=yes&grace={}", milvus_server(), fresh_milvus_identity(), grace.count());
}

RemoteSource no_source() {
  return {.newest = [](const SpaceRecord& of) -> Result<SpaceRecord> { return of; },
          .read = [](const Space&, const RemoteSource::Read&) -> Result<void> {
            return Error{Errc::unavailable, "no storage"};
          }};
}

std::shared_ptr<MilvusIndex> milvus_index(MilvusOptions options, const std::string& identity, RemoteSource source) {
  if (options.url.empty()) options.url = milvus_server();
  return milvus::make_milvus_index(options, identity, std::move(source)).value();
}

std::shared_ptr<MilvusIndex> fresh_milvus_index(MilvusOptions options) {
  if (!made.identities.empty()) {
    drop_milvus_collections(made.identities.back());
    made.identities.pop_back();
  }
  return milvus_index(std::move(options), fresh_milvus_identity(), no_source());
}

std::string fresh_remote_identity() { return fresh_milvus_identity(); }
std::shared_ptr<VersionStore> remote_store(const std::string& identity) { return milvus_store(identity); }
void lose_all(const std::string& identity) { drop_milvus_collections(identity); }

}  // namespace fractal::testing
