// What walks compare, and what comparing the best of them in float32 makes of it.
#include "backends/hnsw/graph_search.h"
#include "src/vector_score.h"
#include "tests/hnsw/clustered_vectors.h"
#include "tests/seeded_random.h"

#include <fractal/format.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

using fractal::Codes;
using fractal::FlatView;
using fractal::MemoryId;
using fractal::Metric;
using fractal::VectorQuery;
using fractal::hnsw::FrozenGraph;
using fractal::hnsw::Generation;
using fractal::hnsw::Graph;
using fractal::hnsw::WalkCodes;

namespace {

constexpr std::size_t count = 5'000, k = 10, ef = 120;
constexpr std::array kinds{Codes::int8, Codes::float32, Codes::bit};

struct Corpus {
  std::vector<std::vector<float>> questions;
  std::map<Codes, FlatView> views{};
};

std::shared_ptr<Generation> generation_of(const std::vector<std::vector<float>>& vectors, Metric metric) {
  auto blocks = fractal::hnsw::make_blocks(vectors.size(), vectors.front().size()).value();
  auto generation = std::make_shared<Generation>();
  generation->rows = vectors.size();
  generation->dimension = vectors.front().size();
  generation->metric = metric;
  generation->block_bytes = blocks.block_bytes;
  const std::size_t capacity = blocks.blocks.front()->capacity;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const double square = fractal::kernels::dot(vectors[i].data(), vectors[i].data(), vectors[i].size());
    blocks.blocks[i / capacity]->write(i % capacity, i + 1, 1, vectors[i], square, metric);
  }
  generation->blocks = std::move(blocks.blocks);
  const WalkCodes codes(*generation, Codes::int8);
  generation->graph = Graph::build(codes.rows(), {.parameters = {.m = 12, .ef_construction = 80}}).value();
  return generation;
}

Corpus corpus_of(std::size_t dimension, Metric metric, float factor = 1) {
  fractal::testing::ClusteredVectors source(23, dimension, 40);
  const auto next = [&] {
    std::vector<float> vector = source.next().first;
    for (float& x : vector) x *= factor;
    return vector;
  };
  std::vector<std::vector<float>> vectors(count);
  for (auto& vector : vectors) vector = next();
  Corpus corpus;
  for (int i = 0; i < 300; ++i) corpus.questions.push_back(next());
  const auto made = generation_of(vectors, metric);
  for (const Codes kind : kinds) {
    auto generation = std::make_shared<Generation>(*made);
    generation->codes = kind;
    corpus.views[kind] = fractal::hnsw::view_of(generation);
  }
  return corpus;
}

std::set<MemoryId> truth_of(const FlatView& view, const std::vector<float>& question) {
  std::set<MemoryId> nearest;
  for (const auto& entry : fractal::scan_view(view, {.vector = question, .k = k, .as_of = 1}).value().entries) {
    nearest.insert(entry.id);
  }
  return nearest;
}

// The ten that the codes alone take for the nearest.
std::vector<MemoryId> by_codes_alone(const FlatView& view, const std::vector<float>& question) {
  const auto& frozen = static_cast<const FrozenGraph&>(*view.frozen);
  const fractal::hnsw::QueryCodes codes(frozen.codes.rows().kind, view.metric, question);
  REQUIRE(codes.usable());
  fractal::hnsw::WalkQuery walk = codes.walk();
  walk.ef = ef;
  walk.keep = k;
  fractal::hnsw::Walked walked;
  frozen.graph().walk(frozen.codes.rows(), walk, walked);
  std::vector<MemoryId> ids;
  for (const auto& entry : walked.entries) {
    const fractal::Slot slot = frozen.slot(entry.node);
    ids.push_back(view.chunk(slot).ids[fractal::row_of(slot)]);
  }
  return ids;
}

struct Recall {
  double alone = 0, rescored = 0;
};
Recall recall_of(const Corpus& corpus, Codes kind) {
  const FlatView& view = corpus.views.at(kind);
  CHECK(static_cast<const FrozenGraph&>(*view.frozen).codes.rows().kind == kind);
  std::size_t alone = 0, rescored = 0;
  for (const auto& question : corpus.questions) {
    const auto truth = truth_of(view, question);
    for (const MemoryId id : by_codes_alone(view, question)) alone += truth.count(id);
    const auto hits = fractal::hnsw::walk_once(view, {.vector = question, .k = k, .as_of = 1}, ef).value();
    REQUIRE(hits.entries.size() == k);
    for (const auto& entry : hits.entries) rescored += truth.count(entry.id);
  }
  const auto wanted = static_cast<double>(k * corpus.questions.size());
  return {static_cast<double>(alone) / wanted, static_cast<double>(rescored) / wanted};
}

}  // namespace

TEST_CASE("comparing the best in float32 is what makes up for the codes") {
  const Corpus corpus = corpus_of(96, Metric::cosine);
  const Recall int8 = recall_of(corpus, Codes::int8), bit = recall_of(corpus, Codes::bit);
  const Recall float32 = recall_of(corpus, Codes::float32);
  std::printf("recall@10 at ef %zu: int8 alone %.4f, rescored %.4f; 1-bit alone %.4f, rescored %.4f; float32 %.4f\n",
              ef, int8.alone, int8.rescored, bit.alone, bit.rescored, float32.rescored);
  CHECK(bit.alone + 0.05 < bit.rescored);
  CHECK(bit.rescored + 0.002 < int8.alone);
  CHECK(int8.alone + 0.002 < int8.rescored);
  CHECK(int8.rescored >= 0.98);
  CHECK(float32.alone == float32.rescored);
  CHECK(float32.rescored >= int8.rescored - 0.003);
}

TEST_CASE("every kind of codes finds the nearest, for every metric and for dimensions that fill no register") {
  for (const Metric metric : {Metric::cosine, Metric::l2, Metric::dot}) {
    for (const std::size_t dimension : {7, 65, 200}) {
      CAPTURE(static_cast<int>(metric));
      CAPTURE(dimension);
      const Corpus corpus = corpus_of(dimension, metric, 3);
      for (const Codes kind : kinds) {
        CAPTURE(static_cast<int>(kind));
        CHECK(recall_of(corpus, kind).rescored >= (kind == Codes::bit ? dimension < 64 ? 0.5 : 0.85 : 0.95));
      }
    }
  }
}

TEST_CASE("walks over bits are the same on every instruction set") {
  const Corpus corpus = corpus_of(100, Metric::l2);
  const FlatView& view = corpus.views.at(Codes::bit);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto first = by_codes_alone(view, corpus.questions[i]);
    for (const auto& name : fractal::kernels::instruction_sets()) {
      CAPTURE(name);
      REQUIRE(fractal::kernels::use_instruction_set(name));
      CHECK(by_codes_alone(view, corpus.questions[i]) == first);
    }
    REQUIRE(fractal::kernels::use_instruction_set(""));
  }
}

TEST_CASE("vectors of which float32 takes no product are walked by int8") {
  std::vector<std::vector<float>> vectors(40, std::vector<float>(8, 1));
  for (std::size_t i = 0; i < vectors.size(); ++i) vectors[i][0] = static_cast<float>(i);
  for (const float odd : {std::numeric_limits<float>::max(), 1e-30F}) {
    auto some = vectors;
    std::fill(some[3].begin(), some[3].end(), odd);
    const auto generation = generation_of(some, Metric::cosine);
    CHECK(WalkCodes(*generation, Codes::float32).rows().kind == Codes::int8);
  }
  CHECK(WalkCodes(*generation_of(vectors, Metric::cosine), Codes::float32).rows().kind == Codes::float32);
}
