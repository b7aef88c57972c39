// What an index is told of a memory beside its vector, and what a search tells it of those that it allows: the two agree
// at any time, so an index may choose by one what the other asks for.
#include "engine.h"

#include <fractal/backend.h>

#include <map>
#include <mutex>
#include <set>

using namespace engine;

namespace {

constexpr std::size_t dimension = 4;

// Knows the fields of every vector, and chooses by them.
class ChoosingIndex final : public VectorIndex {
 public:
  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    const std::lock_guard lock(mutex_);
    if (near_->applied(to.number) == from) {
      for (const VectorChange& change : changes) note(change);
    }
    return near_->apply(to, from, changes);
  }
  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override {
    const std::lock_guard lock(mutex_);
    return near_->catch_up(to, [&](std::uint64_t after, const VectorVisitor& visit) {
      if (after == 0) fields_.clear();
      return pull(after, [&](const VectorChange& change) {
        note(change);
        return visit(change);
      });
    });
  }
  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    const std::lock_guard lock(mutex_);
    if (query.allowed && query.filter != nullptr) {
      ++choices;
      CHECK(chosen(*query.filter, query.prefix) == std::set<MemoryId>(query.allowed->begin(), query.allowed->end()));
    }
    return near_->search(space, query);
  }
  void drop(std::uint64_t space) override { near_->drop(space); }
  Stats stats(std::uint64_t space) override { return near_->stats(space); }
  VectorColumns columns() const override { return VectorColumns::fields; }

  std::size_t choices = 0, told = 0;

 private:
  void note(const VectorChange& change) {
    ++told;
    if (change.vector.empty()) {
      fields_.erase(change.id);
      return;
    }
    CHECK_FALSE(change.fields.key.empty());
    fields_[change.id] = change.fields;
  }
  std::set<MemoryId> chosen(const Filter& filter, std::string_view prefix) const {
    std::set<MemoryId> ids;
    for (const auto& [id, fields] : fields_) {
      Row row{.id = id};
      row.memory.coordinate = Coordinate::from_key(fields.key).value();
      row.memory.type = fields.type;
      row.memory.created_at = fields.created_at;
      if (fields.key.starts_with(prefix) && matches(filter, row)) ids.insert(id);
    }
    return ids;
  }

  std::mutex mutex_;
  std::map<MemoryId, VectorFields> fields_;
  std::shared_ptr<VectorIndex> near_ = make_flat_index();
};

struct Setting {
  std::shared_ptr<ChoosingIndex> index = std::make_shared<ChoosingIndex>();
  TestClock clock;
  std::mt19937_64 random{testing::announced_seed("vector fields")};
  FractalMemory memory = open();

  FractalMemory open() {
    Options options = clock.on(fresh_options());
    options.embedder = nullptr;
    options.vector_index = index;
    return FractalMemory::open(std::move(options)).value();
  }
  Coordinate somewhere() { return {static_cast<double>(below(random, 3)), static_cast<double>(below(random, 12))}; }
  MemoryType some_type() { return below(random, 2) == 0 ? MemoryType::episodic : MemoryType::semantic; }
  std::size_t found(const Filter& filter, const Coordinate& within = {}) {
    return memory.search(random_vector(random, dimension), {.filter = filter, .within = within})->matched;
  }
};

}  // namespace

TEST_CASE("a type that changes is told with the vector, an importance is not") {
  Setting setting;
  const std::vector<float> vector{1, 2, 3, 4};
  setting.memory.store({.coordinate = {1}, .embedding = vector}).value();
  CHECK(setting.found(Filter::eq("$type", "episodic")) == 1);
  const std::size_t told = setting.index->told;
  setting.memory.update({1}, {.importance = 0.5}).value();
  setting.memory.update({1}, {.type = MemoryType::episodic}).value();
  CHECK(setting.index->told == told);
  setting.memory.update({1}, {.type = MemoryType::semantic}).value();
  CHECK(setting.index->told == told + 1);
  CHECK(setting.found(Filter::eq("$type", "episodic")) == 0);
  CHECK(setting.found(Filter::eq("$type", "semantic")) == 1);
  CHECK(setting.memory.retrieve({1})->embedding == vector);
  CHECK(setting.memory.verify()->problems.empty());
  // Without a vector there is nothing to tell.
  setting.memory.store({.coordinate = {2}}).value();
  setting.memory.update({2}, {.type = MemoryType::semantic}).value();
  CHECK(setting.index->told == told + 1);
}

TEST_CASE("what is allowed is what the fields say, whatever is written") {
  Setting setting;
  auto& [index, clock, random, memory] = setting;
  const auto time = [&](int minutes) { return clock.now() - std::chrono::minutes(minutes); };
  for (int round = 0; round < 400; ++round) {
    clock.advance(std::chrono::minutes(1));
    const Coordinate at = setting.somewhere();
    switch (below(random, 6)) {
      case 0:
      case 1:
        memory.store({.coordinate = at, .type = setting.some_type(), .embedding = random_vector(random, dimension)})
            .value();
        break;
      case 2:
        (void)memory.update(at,
                            {.type = setting.some_type(), .importance = 1.0 * static_cast<double>(below(random, 3))});
        break;
      case 3: (void)memory.remove(at); break;
      case 4: {
        Batch batch;
        batch.restore({.coordinate = at,
                       .type = setting.some_type(),
                       .embedding = random_vector(random, dimension),
                       .created_at = time(static_cast<int>(below(random, 500)))});
        memory.apply(batch).value();
        break;
      }
      default: index->drop(memory.state()->number); break;
    }
    setting.found(Filter::eq("$type", "semantic") || Filter::lt("$created_at", time(30)));
    setting.found(!Filter::ge("$created_at", time(200)), {1.0 * static_cast<double>(below(random, 3))});
    setting.found(Filter::in("$coordinate", {at.to_string(), setting.somewhere().to_string()}));
  }
  CHECK(index->choices > 1'000);
  CHECK(memory.verify()->problems.empty());
}
