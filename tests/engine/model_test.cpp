// Model test: hundreds of thousands of random operations on the public API, a storage against the memory
// storage. FRACTAL_MODEL_OPERATIONS sets their number, FRACTAL_SEED brings a run back.
#include "tests/engine/model_world.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <utility>

namespace fractal::model {
namespace {

constexpr std::uint64_t operations_by_default = 201'000;
constexpr std::uint64_t compare_everything_every = 5'000;

void run(const char* name, Options options) {
  const std::uint64_t seed = testing::announced_seed(name);
  const std::uint64_t operations =
      testing::number_from_environment("FRACTAL_MODEL_OPERATIONS", operations_by_default) / 4;
  World world(name, seed, std::move(options));
  for (std::uint64_t i = 1; i <= operations; ++i) {
    const bool same = world.step() && (i % compare_everything_every != 0 || world.compare_all());
    if (!same) FAIL("FRACTAL_SEED=" << seed << "\n" << world.report());
  }
  if (!world.compare_all()) FAIL("FRACTAL_SEED=" << seed << "\n" << world.report());
  MESSAGE(fmt::format(
      "{}: {} writes, {} refused, {} reads, {} hits, reopened {} times; {} searches by the index, {} with rows", name,
      world.writes(), world.failed_writes(), world.reads(), world.hits(), world.reopened(), world.answered_by_index(),
      world.answered_by_rows()));
  // Rows give the right answer whatever the index does: then nothing would have been tested of it.
  CHECK(world.answered_by_index() > world.answered_by_rows());
  if (operations < 10'000) return;
  CHECK(world.writes() > operations / 5);
  CHECK(world.failed_writes() > operations / 100);
  CHECK(world.hits() > operations / 10);
  CHECK(world.reopened() > 0);
}

TEST_CASE("cosine, counted reads, a short history") {
  Options options;
  options.durability = Durability::off;
  options.embedder = nullptr;
  options.count_accesses = true;
  options.audit = {.writes = true, .reads = true, .payloads = true, .keep_records = 300};
  options.change_history = 100;
  run("cosine", std::move(options));
}

TEST_CASE("Euclidean distance, strict links, indexed fields") {
  Options options;
  options.durability = Durability::off;
  options.embedder = nullptr;
  options.metric = Metric::l2;
  options.strict_links = true;
  options.indexed_fields = {"year", "tag", "user.name"};
  options.audit.keep_for = std::chrono::hours(0);
  run("l2", std::move(options));
}

TEST_CASE("dot product, weighted text fields, no audit") {
  Options options;
  options.durability = Durability::normal;
  options.embedder = nullptr;
  options.metric = Metric::dot;
  options.text_fields = {{"text", 1}, {"title", 3}, {"context", 0.3}, {"note", 0.3}};
  options.audit.writes = false;
  run("dot", std::move(options));
}

TEST_CASE("cosine, texts embedded by the built-in table, a caller's vectors among them") {
  Options options;
  options.durability = Durability::off;
  REQUIRE(options.embedder != nullptr);
  run("embedded", std::move(options));
}

}  // namespace
}  // namespace fractal::model
