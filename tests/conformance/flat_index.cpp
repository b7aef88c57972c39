// The flat index under the suite of every VectorIndex, and what it promises beyond: history, small spaces.
#include "vector_oracle.h"

#include <memory>

using fractal::Errc;
using fractal::Metric;
using vector_oracle::Model;
using vector_oracle::Vector;

std::shared_ptr<fractal::VectorIndex> make_empty_index() { return fractal::make_flat_index(); }

namespace {

std::string fault_as_of(fractal::VectorIndex& index, const Model& model, std::uint64_t as_of, const Vector& vector) {
  const fractal::VectorQuery query{.vector = vector, .k = 20, .as_of = as_of};
  const auto hits = index.search(model.record(), query);
  if (!hits) return hits.error().message;
  return hits->exact ? vector_oracle::fault(model, query, *hits) : "not exact";
}

}  // namespace

TEST_CASE("fed by commits the index answers exactly as of every moment") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(1, 7, Metric::l2);
  for (int i = 0; i < 400; ++i) {
    const auto ids = model.living();
    if (ids.size() < 20 || i % 3 == 0) {
      model.add(vector_oracle::random_vector(random, 7));
    } else {
      model.set(ids[random() % ids.size()], i % 5 == 0 ? Vector{} : vector_oracle::random_vector(random, 7));
    }
    if (i % 4 == 0) REQUIRE(model.commit(*index).has_value());
  }
  REQUIRE(model.commit(*index).has_value());
  const Vector query = vector_oracle::random_vector(random, 7);
  for (std::uint64_t as_of = 0; as_of <= model.sequence(); ++as_of) {
    CHECK(fault_as_of(*index, model, as_of, query) == "");
  }
}

TEST_CASE("catching up leaves a gap, and the moments before it") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(1, 7, Metric::cosine);
  for (int i = 0; i < 50; ++i) model.add(vector_oracle::random_vector(random, 7));
  REQUIRE(model.commit(*index).has_value());
  const std::uint64_t before = model.sequence();
  for (int i = 0; i < 50; ++i) {
    const auto ids = model.living();
    model.set(ids[random() % ids.size()], i % 5 == 0 ? Vector{} : vector_oracle::random_vector(random, 7));
  }
  model.skip();
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  const std::uint64_t after = model.sequence();
  model.add(vector_oracle::random_vector(random, 7));
  REQUIRE(model.commit(*index).has_value());
  const Vector query = vector_oracle::random_vector(random, 7);
  for (const std::uint64_t as_of : {std::uint64_t{0}, before / 2, before, after, after + 1}) {
    CHECK(fault_as_of(*index, model, as_of, query) == "");
  }
  for (const std::uint64_t as_of : {before + 1, (before + after) / 2, after - 1, after + 2}) {
    const auto hits = index->search(model.record(), {.vector = query, .as_of = as_of});
    REQUIRE_FALSE(hits.has_value());
    CHECK(hits.error().code == Errc::unavailable);
  }
  // Changes without vectors leave none.
  model.touch();
  model.touch();
  model.skip();
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  CHECK(fault_as_of(*index, model, model.sequence() - 1, query) == "");
}

TEST_CASE("dead rows are cleared away once they are many") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(1, 20, Metric::dot);
  std::vector<fractal::MemoryId> ids;
  for (int i = 0; i < 1500; ++i) ids.push_back(model.add(vector_oracle::random_vector(random, 20)));
  REQUIRE(model.commit(*index).has_value());
  std::uint64_t most = 0;
  bool cleared = false;
  for (int i = 0; i < 3000; ++i) {
    const auto id = ids[random() % ids.size()];
    if (i % 4 == 0 && model.vector(id, model.sequence()) != nullptr) {
      model.set(id, {});
    } else {
      model.set(id, vector_oracle::random_vector(random, 20));
    }
    if (i % 100 != 0) continue;
    REQUIRE(model.commit(*index).has_value());
    const auto stats = index->stats(1);
    cleared = cleared || stats.dead < most;
    most = std::max(most, stats.dead);
    CHECK(stats.vectors == model.living().size());
    CHECK(stats.dead <= std::max<std::uint64_t>(1024, (stats.vectors + stats.dead) / 4));
    CHECK(fault_as_of(*index, model, model.sequence(), vector_oracle::random_vector(random, 20)) == "");
  }
  CHECK(cleared);
}

TEST_CASE("all dead rows cleared away, the space goes on") {
  const auto index = make_empty_index();
  Model model(1, 3, Metric::l2);
  std::vector<fractal::MemoryId> ids;
  for (int i = 0; i < 1100; ++i) ids.push_back(model.add({1, 2, static_cast<float>(i)}));
  REQUIRE(model.commit(*index).has_value());
  for (const auto id : ids) model.set(id, {});
  REQUIRE(model.commit(*index).has_value());
  model.set(ids[5], {3, 2, 1});
  REQUIRE(model.commit(*index).has_value());
  CHECK(fault_as_of(*index, model, model.sequence(), {1, 2, 3}) == "");
}

TEST_CASE("a space whose vectors all went takes vectors of another dimension") {
  const auto index = make_empty_index();
  Model model(1, 3, Metric::cosine);
  const auto id = model.add({1, 2, 3});
  REQUIRE(model.commit(*index).has_value());
  model.set(id, {});
  REQUIRE(model.commit(*index).has_value());
  Model wider(1, 4, Metric::l2);
  wider.add({1, 2, 3, 4});
  wider.touch();
  wider.touch();
  REQUIRE(wider.commit(*index).has_value());  // it does not fit: the index starts again
  REQUIRE(index->catch_up(wider.record(), wider.pull()).has_value());
  CHECK(fault_as_of(*index, wider, wider.sequence(), {4, 3, 2, 1}) == "");
}

TEST_CASE("a small space is cheap") {
  const auto index = make_empty_index();
  Model model(1, 384, Metric::cosine);
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  for (int i = 0; i < 20; ++i) model.add(vector_oracle::random_vector(random, 384));
  REQUIRE(model.commit(*index).has_value());
  CHECK(index->stats(1).bytes < 80'000);  // 38 kB of it are the vectors and codes
  CHECK(index->stats(2).bytes == 0);
}

TEST_CASE("vectors that cannot be compared are refused, and nothing of their commit stays") {
  const auto index = make_empty_index();
  Model model(1, 2, Metric::cosine);
  model.add({1, 2});
  REQUIRE(model.commit(*index).has_value());
  for (const Vector& bad : {Vector{0, 0}, Vector{1, 2, 3}, Vector{1, std::numeric_limits<float>::quiet_NaN()}}) {
    const Vector good{3, 4};
    const fractal::VectorChange changes[] = {{fractal::first_id(1) + 2, 2, good}, {fractal::first_id(1) + 3, 3, bad}};
    fractal::SpaceRecord to = model.record();
    to.sequence = 3;
    CHECK_FALSE(index->apply(to, 1, changes).has_value());
    CHECK(index->stats(1).vectors == 1);
    CHECK(index->stats(1).applied == 1);
    CHECK(fault_as_of(*index, model, 1, {3, 4}) == "");
  }
  const auto zero = index->search(model.record(), {.vector = Vector{0, 0}, .as_of = 1});
  REQUIRE_FALSE(zero.has_value());
  CHECK(zero.error().code == Errc::invalid_argument);
}
