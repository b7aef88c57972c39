// Invariant: what a test program made on the server goes with it.
#include "tests/milvus/server.h"

#include "src/error.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
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

// A URL of Milvus says nothing of the grace: here it stands before it, as milliseconds.
constexpr std::string_view with_grace = "milvus-with-grace";
Result<std::shared_ptr<VectorIndex>> open_with_grace(const std::string& url, const Options&,
                                                     const std::shared_ptr<Storage>& storage) {
  std::uint64_t grace = 0;
  const std::string_view rest = std::string_view(url).substr(with_grace.size() + 3);
  const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), grace);
  FRACTAL_TRY_INTO(auto index,
                   open_milvus_index({.url = number.ptr + 1, .grace = std::chrono::milliseconds(grace)}, storage));
  return std::shared_ptr<VectorIndex>(std::move(index));
}
const bool with_grace_added = add_vector_index_scheme(with_grace, &open_with_grace);

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
  return fmt::format("{}://{}/{}?prefix=fractal_{}&wait=yes", with_grace, grace.count(), milvus_server(),
                     fresh_milvus_identity());
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

}  // namespace fractal::testing
