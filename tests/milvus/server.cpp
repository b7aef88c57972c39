#include "tests/milvus/server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace fractal::testing {
namespace {
std::string last_identity;
bool kept = false;

// The last collections go, too.
struct AtEnd {
  ~AtEnd() {
    if (!last_identity.empty() && !kept) drop_milvus_collections(last_identity);
  }
} at_end;
}  // namespace

std::string milvus_server() {
  const char* const url = std::getenv("FRACTAL_TEST_MILVUS");
  if (url != nullptr && *url != '\0') return url;
  std::puts("skipped: FRACTAL_TEST_MILVUS names no server");
  std::exit(77);
}

void drop_milvus_collections(const std::string& identity) {
  const MilvusOptions options{.url = milvus_server()};
  const auto read = milvus::read_url(options).value();
  milvus::MilvusStore store(milvus::Client::open(read.second, read.first).value(), "fractal_" + identity, read.first);
  (void)store.drop_all();
}

std::string fresh_milvus_identity() {
  if (!last_identity.empty() && !kept) drop_milvus_collections(last_identity);
  std::random_device random;
  return last_identity = fmt::format("{:08x}{:08x}", random(), random());
}

void keep_milvus_collections() { kept = true; }

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
  return milvus_index(std::move(options), fresh_milvus_identity(), no_source());
}

}  // namespace fractal::testing
