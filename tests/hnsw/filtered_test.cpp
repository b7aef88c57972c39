// Filtered search by a graph is never short, and as good as without a filter: a grid of selectivity against
// the way in which the filter goes with the vectors.
#include "backends/hnsw/hnsw_index.h"
#include "tests/hnsw/clustered_vectors.h"

#include <fractal/backend.h>
#include <fractal/format.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

using fractal::MemoryId;
using fractal::VectorHits;
using fractal::VectorQuery;

namespace {

constexpr std::size_t rows = 34'000, dimension = 48, topics = 60, questions = 300, k = 10, random_sets = 5;
constexpr double least_recall = 0.97;

struct Corpus {
  std::shared_ptr<fractal::VectorIndex> index = fractal::hnsw::make_index({.background = false}, {});
  fractal::SpaceRecord record{};
  std::vector<std::size_t> topic_of;  // of the i-th memory
  std::vector<std::vector<float>> asked;
  std::vector<std::size_t> topic_asked;  // the topic of the nearest

  Corpus() {
    fractal::testing::ClusteredVectors source(5, dimension, topics);
    record.number = 1;
    record.dimension = dimension;
    record.vectors = rows;
    std::vector<std::vector<float>> vectors;
    std::vector<fractal::VectorChange> changes;
    for (std::size_t i = 0; i < rows; ++i) {
      auto [vector, topic] = source.next();
      vectors.push_back(std::move(vector));
      topic_of.push_back(topic);
    }
    for (std::size_t i = 0; i < rows; ++i) changes.push_back({id(i), ++record.sequence, vectors[i]});
    REQUIRE(index->apply(record, 0, changes).has_value());
    REQUIRE(index->build(record.number, false, {}).has_value());
    REQUIRE(index->stats(record.number).graph_vectors == rows);
    for (std::size_t i = 0; i < questions; ++i) {
      asked.push_back(source.next().first);
      const auto nearest = search({.vector = asked.back(), .k = 1, .exact = true});
      topic_asked.push_back(topic_of[nearest.entries.front().id - id(0)]);
    }
  }

  static MemoryId id(std::size_t i) { return fractal::first_id(1) + 1 + i; }
  VectorHits search(VectorQuery query) const {
    query.as_of = record.sequence;
    auto hits = index->search(record, query);
    REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
    return std::move(*hits);
  }
};

const Corpus& corpus() {
  static const Corpus corpus;
  return corpus;
}

enum class Kind { random, nearest_topics, other_topics };
constexpr std::array<const char*, 3> names{"random", "correlated", "anti-correlated"};

// About `count` memories: any; those of the topics nearest to the question's; all others first.
fractal::IdSet allowed_for(Kind kind, std::size_t count, std::size_t topic, std::mt19937_64& random) {
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  const auto& topic_of = corpus().topic_of;
  if (kind != Kind::random) {
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t i) { return (topic_of[i] == topic) == (kind == Kind::nearest_topics); });
  }
  std::vector<MemoryId> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(Corpus::id(order[i]));
  std::sort(ids.begin(), ids.end());
  return std::make_shared<const std::vector<MemoryId>>(std::move(ids));
}

double recall(const VectorHits& hits, const VectorHits& truth) {
  if (truth.entries.empty()) return 1;
  std::size_t found = 0;
  for (const auto& entry : truth.entries) {
    found += std::any_of(hits.entries.begin(), hits.entries.end(), [&](const auto& hit) { return hit.id == entry.id; });
  }
  return static_cast<double>(found) / static_cast<double>(truth.entries.size());
}

struct Cell {
  double recall = 0;
  std::size_t walks = 0;  // answered by the graph
};

Cell measure(Kind kind, std::size_t count, std::size_t wanted) {
  std::mt19937_64 random(count);
  Cell cell;
  std::map<std::size_t, fractal::IdSet> sets;  // by topic, or a few for any
  for (std::size_t q = 0; q < questions; ++q) {
    const std::size_t topic = corpus().topic_asked[q];
    auto& allowed = sets[kind == Kind::random ? q % random_sets : topic];
    if (!allowed) allowed = allowed_for(kind, count, topic, random);
    VectorQuery query{.vector = corpus().asked[q], .k = wanted, .allowed = allowed};
    const VectorHits hits = corpus().search(query);
    query.exact = true;
    const VectorHits truth = corpus().search(query);
    REQUIRE(hits.entries.size() == std::min(wanted, count));
    REQUIRE(hits.matched == count);
    for (const auto& hit : hits.entries) REQUIRE(std::binary_search(allowed->begin(), allowed->end(), hit.id));
    cell.recall += recall(hits, truth) / questions;
    cell.walks += hits.exact ? 0 : 1;
  }
  return cell;
}

}  // namespace

TEST_CASE("every selectivity, every kind of filter: never short, recall as promised") {
  const std::array<double, 9> shares{1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001};
  for (const Kind kind : {Kind::random, Kind::nearest_topics, Kind::other_topics}) {
    std::vector<std::size_t> counts{0, 1, k - 3};
    for (const double share : shares) counts.push_back(static_cast<std::size_t>(share * rows));
    for (const std::size_t count : counts) {
      const Cell cell = measure(kind, count, k);
      MESSAGE(fmt::format("{:15} {:6} of {}: recall@10 {:.4f}, {} of {} by the graph", names[static_cast<int>(kind)],
                          count, rows, cell.recall, cell.walks, questions));
      CHECK(cell.recall >= least_recall);
    }
  }
}

TEST_CASE("more hits wanted than match") {
  std::mt19937_64 random(3);
  for (const std::size_t count : {0U, 1U, 40U, 3000U, 30'000U}) {
    const auto allowed = allowed_for(Kind::random, count, 0, random);
    const VectorHits hits = corpus().search({.vector = corpus().asked[0], .k = 50'000, .allowed = allowed});
    CHECK(hits.entries.size() == count);
    CHECK(hits.matched == count);
  }
  const VectorHits all = corpus().search({.vector = corpus().asked[0], .k = 50'000});
  CHECK(all.entries.size() == rows);
}

TEST_CASE("the recall asked for is met on questions that are no stored vectors") {
  for (const double target : {0.9, 0.98, 0.99}) {
    double sum = 0;
    std::size_t walks = 0;
    for (const auto& vector : corpus().asked) {
      const VectorHits hits = corpus().search({.vector = vector, .k = k, .recall = target});
      sum += recall(hits, corpus().search({.vector = vector, .k = k, .exact = true}));
      walks += hits.exact ? 0 : 1;
    }
    MESSAGE(
        fmt::format("recall asked for {}: {:.4f}, {} of {} by the graph", target, sum / questions, walks, questions));
    CHECK(sum / questions >= target);
    CHECK(walks == questions);
  }
}
