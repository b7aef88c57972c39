// A space that is written to for long: no vector is lost, none stays that went, and the graph that grew through all
// of it finds as much as one built anew. FRACTAL_CHURN sets the number of operations.
#include "backends/hnsw/hnsw_index.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/hnsw/clustered_vectors.h"

#include <fractal/format.h>

using fractal::MemoryId;
using fractal::VectorHits;
using fractal::VectorQuery;

namespace {

constexpr std::uint64_t topics_seed = 31;
constexpr std::size_t topics = 20, dimension = 16, first_memories = 2500, questions = 1000, k = 10;
constexpr std::size_t operations_by_default = 20'000;
constexpr std::size_t operations_a_commit = 50, operations_a_check = 5000;

std::shared_ptr<fractal::VectorIndex> make_index() {
  return fractal::hnsw::make_index({.graph_from = 1000, .m = 8, .ef_construction = 64, .background = false}, {});
}

// The living, with what happened to each: a map would be searched for them at every operation.
class World {
 public:
  World() : source_(topics_seed, dimension, topics) {
    record_.number = 1;
    record_.dimension = dimension;
    for (std::size_t i = 0; i < first_memories; ++i) add();
  }

  void operate() {
    const std::uint64_t chance = source_.random()() % 10;
    if (chance < 3 || living_.empty()) return add();
    const std::size_t place = source_.random()() % living_.size();
    if (chance < 7) return set(place, source_.next().first);
    if (living_.size() > first_memories / 2) remove(place);
  }

  fractal::Result<void> commit(fractal::VectorIndex& index) {
    std::vector<fractal::VectorChange> changes;
    for (const auto& change : uncommitted_) changes.push_back({change.id, change.sequence, change.vector});
    auto done = index.apply(record_, committed_, changes);
    committed_ = record_.sequence;
    uncommitted_.clear();
    return done;
  }
  fractal::VectorIndex::Pull pull() const {
    return [this](std::uint64_t after, const fractal::VectorVisitor& visit) -> fractal::Result<void> {
      for (const Living& memory : living_) {
        if (memory.sequence > after && !visit({memory.id, memory.sequence, memory.vector})) break;
      }
      return {};
    };
  }
  const fractal::SpaceRecord& record() const { return record_; }
  std::size_t size() const { return living_.size(); }

 private:
  struct Living {
    MemoryId id;
    std::uint64_t sequence;
    std::vector<float> vector;
  };
  void add() {
    living_.push_back({fractal::first_id(1) + ++record_.last_id, ++record_.sequence, source_.next().first});
    uncommitted_.push_back(living_.back());
    record_.vectors = living_.size();
  }
  void set(std::size_t place, std::vector<float> vector) {
    living_[place].sequence = ++record_.sequence;
    living_[place].vector = std::move(vector);
    uncommitted_.push_back(living_[place]);
  }
  void remove(std::size_t place) {
    uncommitted_.push_back({living_[place].id, ++record_.sequence, {}});
    std::swap(living_[place], living_.back());
    living_.pop_back();
    record_.vectors = living_.size();
  }

  fractal::testing::ClusteredVectors source_;
  fractal::SpaceRecord record_;
  std::vector<Living> living_, uncommitted_;
  std::uint64_t committed_ = 0;
};

VectorHits search(fractal::VectorIndex& index, const World& world, VectorQuery query) {
  query.as_of = world.record().sequence;
  auto hits = index.search(world.record(), query);
  REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
  return std::move(*hits);
}

struct Answers {
  double recall = 0;
  std::size_t by_graph = 0;
};
Answers ask(fractal::VectorIndex& index, const World& world, double wanted) {
  fractal::testing::ClusteredVectors source(topics_seed, dimension, topics);
  source.random().seed(99);  // other vectors of the same topics
  Answers answers;
  for (std::size_t q = 0; q < questions; ++q) {
    const auto vector = source.next().first;
    const VectorHits found = search(index, world, {.vector = vector, .k = k, .recall = wanted});
    const VectorHits truth = search(index, world, {.vector = vector, .k = k, .exact = true});
    CHECK(found.entries.size() == std::min(k, world.size()));
    CHECK(found.matched == world.size());
    answers.by_graph += found.exact ? 0 : 1;
    for (const auto& entry : truth.entries) {
      const bool there =
          std::any_of(found.entries.begin(), found.entries.end(), [&](const auto& hit) { return hit.id == entry.id; });
      answers.recall += there ? 1.0 / (questions * k) : 0;
    }
  }
  return answers;
}

}  // namespace

TEST_CASE("add, update and remove without end: nothing is lost, nothing stays, recall does not sink") {
  const std::size_t operations = fractal::testing::number_from_environment("FRACTAL_CHURN", operations_by_default);
  World world;
  const auto index = make_index();
  std::size_t generations = 0, rows_before = 0;
  for (std::size_t done = 0; done < operations; done += operations_a_check) {
    for (std::size_t i = 0; i < operations_a_check; i += operations_a_commit) {
      for (std::size_t j = 0; j < operations_a_commit; ++j) world.operate();
      REQUIRE(world.commit(*index).has_value());
      REQUIRE(index->build(1, false, {}).has_value());
      const auto stats = index->stats(1);
      if (stats.graph_vectors != rows_before) ++generations;
      rows_before = stats.graph_vectors;
    }
    REQUIRE(index->stats(1).vectors == world.size());
    const auto problems = index->verify(world.record(), world.pull(), {});
    REQUIRE(problems.has_value());
    for (const std::string& problem : *problems) FAIL_CHECK(problem);
  }
  const auto fresh = make_index();
  REQUIRE(fresh->catch_up(world.record(), world.pull()).has_value());
  REQUIRE(fresh->build(1, false, {}).has_value());
  for (const double wanted : {0.9, 0.98}) {
    const Answers grown = ask(*index, world, wanted), anew = ask(*fresh, world, wanted);
    MESSAGE(
        fmt::format("{} operations, {} generations, {} living; recall asked for {}: {:.4f}, of a fresh build {:.4f}",
                    operations, generations, world.size(), wanted, grown.recall, anew.recall));
    CHECK(grown.by_graph == questions);
    CHECK(grown.recall >= anew.recall - 0.01);
    CHECK(grown.recall >= wanted - 0.01);
    CHECK(anew.recall >= wanted - 0.01);
  }
  CHECK(generations > operations / 5000);
}
