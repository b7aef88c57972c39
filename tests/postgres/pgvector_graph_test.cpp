// Searches by the server's graphs: as good as promised, never short, never another tenant's, and exact where they say
// so.
#include "backends/postgres/pgvector_index.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/hnsw/clustered_vectors.h"
#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace fractal;

namespace {

constexpr std::size_t rows = 4'000, dimension = 32, topics = 40, questions = 25, k = 10;

std::shared_ptr<VectorIndex> open_index(const std::string& url) {
  const auto claim = [](postgres_backend::Connection&) -> Result<std::string> { return std::string("graphs"); };
  const auto newest = [](const SpaceRecord& of) -> Result<SpaceRecord> { return of; };
  return postgres_backend::make_pgvector_index({.url = url, .graph_from = 1'000, .background = false}, claim, newest)
      .value();
}

// Two spaces with the same vectors, but for a little: each in its own order, so that the same id means another vector.
struct Corpus {
  std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  std::shared_ptr<VectorIndex> index = open_index(url);
  std::vector<vector_oracle::Model> spaces;
  std::vector<std::vector<float>> asked;

  explicit Corpus(Metric metric) {
    testing::ClusteredVectors source(7, dimension, topics);
    std::vector<std::vector<float>> vectors;
    for (std::size_t i = 0; i < rows; ++i) vectors.push_back(source.next().first);
    for (const std::uint64_t number : {1, 2}) {
      auto& model = spaces.emplace_back(number, dimension, metric);
      std::shuffle(vectors.begin(), vectors.end(), source.random());
      for (auto vector : vectors) {
        vector[0] += 1e-4F * static_cast<float>(number);
        model.add(std::move(vector));
      }
      REQUIRE(model.commit(*index).has_value());
      std::uint64_t told = 0;
      Control control;
      control.progress = [&](std::uint64_t done, std::uint64_t total) {
        CHECK(done >= told);
        CHECK(total == rows);
        told = done;
      };
      REQUIRE(index->build(number, false, control).has_value());
      CHECK(told == rows);
      CHECK(index->stats(number).graph_vectors == rows);
      CHECK(index->stats(number).file_bytes > 0);
    }
    for (std::size_t i = 0; i < questions; ++i) asked.push_back(source.next().first);
  }

  VectorHits search(const vector_oracle::Model& model, VectorQuery query) const {
    query.as_of = model.sequence();
    auto hits = index->search(model.record(), query);
    REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
    CHECK(vector_oracle::fault(model, query, *hits) == "");  // min(k, matched) of this space, with the right scores
    return std::move(*hits);
  }
  std::uint64_t scans_of_graphs() const {
    return std::stoull(
        testing::ask_postgres("SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE schemaname = current_schema() AND "
                              "indexrelname LIKE 'sfm_pgvector_graph_%'",
                              url));
  }
};

const Corpus& corpus(Metric metric) {
  static const Corpus all[] = {Corpus(Metric::cosine), Corpus(Metric::dot), Corpus(Metric::l2)};
  return all[static_cast<int>(metric)];
}

double recall(const VectorHits& hits, const VectorHits& truth) {
  std::size_t found = 0;
  for (const auto& entry : truth.entries) {
    found += std::any_of(hits.entries.begin(), hits.entries.end(), [&](const auto& hit) { return hit.id == entry.id; });
  }
  return static_cast<double>(found) / static_cast<double>(truth.entries.size());
}

bool by_graph(const VectorHits& hits) { return !hits.exact && hits.plan.starts_with("graph"); }

}  // namespace

TEST_CASE("a graph finds what an exact search finds, and the server really uses it") {
  for (const Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
    CAPTURE(static_cast<int>(metric));
    const Corpus& all = corpus(metric);
    const std::uint64_t before = all.scans_of_graphs();
    for (const auto& model : all.spaces) {
      double sum = 0;
      for (const auto& vector : all.asked) {
        const VectorHits hits = all.search(model, {.vector = vector, .k = k});
        const VectorHits truth = all.search(model, {.vector = vector, .k = k, .exact = true});
        CHECK(by_graph(hits));
        CHECK(truth.exact);
        CHECK(truth.visited >= rows);
        sum += recall(hits, truth);
      }
      MESSAGE(fmt::format("metric {}: recall@10 {:.4f}", static_cast<int>(metric), sum / questions));
      CHECK(sum / questions >= 0.95);
    }
    // The server's counters come a little later.
    for (int i = 0; i < 200 && all.scans_of_graphs() < before + questions; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(all.scans_of_graphs() >= before + questions);
  }
}

TEST_CASE("every selectivity: min(k, matches), and of this tenant alone") {
  std::mt19937_64 random(testing::announced_seed("filters"));
  for (const Metric metric : {Metric::cosine, Metric::l2}) {
    const Corpus& all = corpus(metric);
    std::size_t walks = 0;
    for (const double share : {0.001, 0.01, 0.1, 0.5, 0.9}) {
      for (const auto& model : all.spaces) {
        std::vector<MemoryId> ids;
        for (const MemoryId id : model.living()) {
          if (std::bernoulli_distribution(share)(random)) ids.push_back(id);
        }
        for (const MemoryId id : all.spaces[model.record().number == 1 ? 1 : 0].living()) {
          if (id % 500 == 0) ids.push_back(id);  // the other tenant's: they are not to be found
        }
        std::sort(ids.begin(), ids.end());
        const auto allowed = std::make_shared<const std::vector<MemoryId>>(ids);
        double sum = 0;
        for (std::size_t i = 0; i < 8; ++i) {
          VectorQuery query{.vector = all.asked[i], .k = k, .allowed = allowed};
          const VectorHits hits = all.search(model, query);
          walks += by_graph(hits) ? 1 : 0;
          query.exact = true;
          const VectorHits truth = all.search(model, query);
          sum += truth.entries.empty() ? 1 : recall(hits, truth);
          query.k = 100;
          all.search(model, query);
        }
        CHECK(sum / 8 >= 0.95);
      }
    }
    CHECK(walks > 0);
  }
}

TEST_CASE("a walk that the server ends early is followed by a scan") {
  const Corpus& all = corpus(Metric::l2);
  // So little memory that an iterative scan ends after its first steps.
  const auto poor = open_index(all.url + "%20-cwork_mem%3D64kB");
  const auto& model = all.spaces[0];
  std::size_t scans = 0;
  for (const auto& vector : all.asked) {
    // The half that lies farthest from the question.
    const auto expected = model.expected({.vector = vector, .as_of = model.sequence()});
    std::vector<MemoryId> far;
    for (std::size_t i = rows / 2; i < rows; ++i) far.push_back(expected[i].id);
    std::sort(far.begin(), far.end());
    const VectorQuery query{.vector = vector,
                            .k = k,
                            .as_of = model.sequence(),
                            .allowed = std::make_shared<const std::vector<MemoryId>>(std::move(far))};
    auto hits = poor->search(model.record(), query);
    REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
    CHECK(vector_oracle::fault(model, query, *hits) == "");
    CHECK(hits->entries.size() == k);
    scans += hits->exact ? 1 : 0;
  }
  MESSAGE(fmt::format("{} of {} ended early", scans, questions));
  CHECK(scans > 0);
}

TEST_CASE("a graph follows what is written, also as of earlier moments") {
  std::mt19937_64 random(testing::announced_seed("written"));
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto index = open_index(url);
  vector_oracle::Model model(9, 16, Metric::cosine);
  for (int i = 0; i < 2'000; ++i) model.add(vector_oracle::random_vector(random, 16));
  REQUIRE(model.commit(*index).has_value());
  REQUIRE(index->build(9, false, {}).has_value());
  std::size_t walks = 0;
  for (int round = 0; round < 30; ++round) {
    const std::uint64_t before = model.sequence();
    const auto ids = model.living();
    for (int i = 0; i < 20; ++i) {
      model.set(ids[random() % ids.size()],
                i % 4 == 0 ? vector_oracle::Vector{} : vector_oracle::random_vector(random, 16));
    }
    REQUIRE(model.commit(*index).has_value());
    const auto vector = vector_oracle::random_vector(random, 16);
    for (const std::uint64_t as_of : {model.sequence(), before}) {
      const VectorQuery query{.vector = vector, .k = k, .as_of = as_of};
      const auto hits = index->search(model.record(), query);
      REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
      CHECK(vector_oracle::fault(model, query, *hits) == "");
      walks += by_graph(*hits) ? 1 : 0;
    }
  }
  CHECK(walks > 0);
  CHECK(index->verify(model.record(), model.pull(), {}).value() == std::vector<std::string>{});
}

TEST_CASE("vectors too wide for a graph are compared one by one") {
  std::mt19937_64 random(testing::announced_seed("wide"));
  const auto index = open_index(testing::fresh_postgres_url(testing::pgvector_server()));
  vector_oracle::Model model(3, 2'001, Metric::cosine);
  for (int i = 0; i < 1'000; ++i) model.add(vector_oracle::random_vector(random, 2'001));
  REQUIRE(model.commit(*index).has_value());
  REQUIRE(index->build(3, false, {}).has_value());
  CHECK(index->stats(3).graph_vectors == 0);
  const auto vector = vector_oracle::random_vector(random, 2'001);
  const VectorQuery query{.vector = vector, .k = k, .as_of = model.sequence()};
  const VectorHits hits = index->search(model.record(), query).value();
  CHECK(hits.exact);
  CHECK(vector_oracle::fault(model, query, hits) == "");
}
