// A vector index that does not answer, or is behind: what the rows can tell is told exactly, the rest is `unavailable`, and
// nothing but searches by vector notices.
#include "engine.h"

#include <fractal/backend.h>

#include <algorithm>

using namespace engine;

namespace {

constexpr std::size_t dimension = 16;
constexpr std::uint64_t most = 40;

// The exact index, as it would be on a server: it may be down, or deaf to changes.
class FarIndex final : public VectorIndex {
 public:
  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    return down || deaf ? Result<void>(gone()) : near_->apply(to, from, changes);
  }
  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override {
    return down || deaf ? Result<void>(gone()) : near_->catch_up(to, pull);
  }
  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    if (down) return gone();
    return near_->search(space, query);
  }
  void drop(std::uint64_t space) override { near_->drop(space); }
  Stats stats(std::uint64_t space) override { return near_->stats(space); }
  std::uint64_t most_scanned() const override { return most; }

  std::atomic<bool> down{false}, deaf{false};

 private:
  static Error gone() { return {Errc::unavailable, "the far index does not answer"}; }
  std::shared_ptr<VectorIndex> near_ = make_flat_index();
};

struct Setting {
  std::shared_ptr<FarIndex> index = std::make_shared<FarIndex>();
  FractalMemory far, near;
  std::mt19937_64 random{testing::announced_seed("far index")};
  int stored = 0;

  static FractalMemory open(std::shared_ptr<VectorIndex> index) {
    Options options = fresh_options();
    options.embedder = nullptr;
    options.vector_index = std::move(index);
    return FractalMemory::open(std::move(options)).value();
  }
  Setting() : far(open(index)), near(open(make_flat_index())) {}

  void store(int count) {
    Batch batch;
    for (int i = 0; i < count; ++i, ++stored) {
      batch.store({.coordinate = {1, static_cast<double>(stored)},
                   .payload = R"({"text": "tea", "tenth": )" + std::to_string(stored / 10) + "}",
                   .embedding = random_vector(random, dimension)});
    }
    far.apply(batch).value();
    near.apply(batch).value();
  }

  // As the index in the process has it.
  void check(const SearchOptions& options = {}) {
    const auto query = random_vector(random, dimension);
    const auto found = far.search(query, options);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    const auto expected = near.search(query, options).value();
    CHECK(found->matched == expected.matched);
    REQUIRE(found->hits.size() == expected.hits.size());
    for (std::size_t i = 0; i < found->hits.size(); ++i) {
      CHECK(found->hits[i].memory.coordinate == expected.hits[i].memory.coordinate);
      CHECK(found->hits[i].score == expected.hits[i].score);
    }
  }
  void check_unavailable(const SearchOptions& options = {}) {
    const Error error = error_of(far.search(random_vector(random, dimension), options));
    CHECK(error.code == Errc::unavailable);
    CHECK(error.message.find("more than 40 vectors") != std::string::npos);
  }
};

const SearchOptions of_a_tenth{.top_k = 7, .filter = Filter::eq("tenth", 2)};

}  // namespace

TEST_CASE("the rows answer for an index that is down, up to its bound") {
  Setting setting;
  setting.index->down = true;
  setting.store(40);
  setting.check();
  setting.check(of_a_tenth);
  setting.store(10);
  setting.check_unavailable();
  setting.check_unavailable({.filter = Filter::ge("tenth", 0)});
  setting.check(of_a_tenth);  // its matches fit
  setting.check({.top_k = 100, .filter = Filter::lt("tenth", 4)});
  CHECK(setting.far.search("tea", {.top_k = 100})->hits.size() == 50);
  CHECK(setting.far.retrieve({1, 49}).has_value());
  CHECK(setting.far.remove({1, 49}).has_value());
  CHECK(setting.near.remove({1, 49}).has_value());
  setting.index->down = false;
  setting.check();
  setting.check({.top_k = 100});
}

TEST_CASE("what an index has not heard of is merged exactly, up to its bound") {
  Setting setting;
  setting.store(100);
  setting.check();
  setting.index->deaf = true;
  setting.store(20);
  for (int i = 0; i < 10; ++i) {
    for (const auto& memory : {setting.far, setting.near}) REQUIRE(memory.remove({1, i * 3.0}).has_value());
  }
  setting.check({.top_k = 200});
  setting.check(of_a_tenth);
  setting.store(15);
  setting.check_unavailable();
  setting.check(of_a_tenth);
  setting.check({.top_k = 100, .filter = Filter::lt("tenth", 4)});  // many, but no more than the bound
  setting.index->deaf = false;
  setting.check({.top_k = 200});
}
