// Filters that the server checks: what a condition lets through, against what the filter does, over rows on a real server;
// and searches that choose by one.
#include "backends/milvus/condition.h"
#include "tests/milvus/server.h"
#include "tests/seeded_random.h"

#include <fractal/fractal_memory.h>
#include <fractal/milvus.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

using namespace fractal;

namespace {

constexpr std::size_t dimension = 4;
constexpr std::int64_t base = 1'700'000'000'000'000;

Coordinate some_coordinate(testing::Random& random) {
  constexpr double components[] = {-1e300, -2.5, -1, 0, 1, 1.5, 2, 3e-9, 1e17};
  std::vector<double> chosen;
  for (std::size_t left = 1 + random.below(3); left > 0; --left) chosen.push_back(random.pick(components));
  return Coordinate(chosen);
}

Time some_time(testing::Random& random) {
  return Time(std::chrono::microseconds(random.one_in(20) ? -5 : base + static_cast<std::int64_t>(random.below(6))));
}

// Of the fields that Milvus has, now and then of one that it has not.
Filter some_test(testing::Random& random) {
  using Test = Filter (*)(std::string_view, Value);
  constexpr Test tests[] = {Filter::eq, Filter::ne, Filter::lt, Filter::le, Filter::gt, Filter::ge};
  const std::string texts[] = {
      "episodic", "semantic", "e", "", "\" || kind == 0 || place == \"", "\n\\%_'", some_coordinate(random).to_string(),
      "1",        "1.0,"};
  const Value numbers[] = {Value(some_time(random)),
                           Value(base + 2),
                           Value(-1),
                           Value(base + 0.5),
                           Value(true),
                           Value(nullptr),
                           Value(std::numeric_limits<std::int64_t>::min()),
                           Value(std::numeric_limits<std::uint64_t>::max())};
  switch (random.below(9)) {
    case 0: return random.pick(tests)("$type", random.pick(texts));
    case 1: return Filter::in("$type", {random.pick(texts), random.pick(texts), 1});
    case 2: return Filter::prefix("$type", random.pick(texts));
    case 3: return random.pick(tests)("$created_at", random.pick(numbers));
    case 4: return Filter::in("$created_at", {some_time(random), random.pick(numbers)});
    case 5: return random.pick(tests)("$coordinate", random.pick(texts));
    case 6:
      return Filter::in("$coordinate",
                        {some_coordinate(random).to_string(), random.pick(texts), some_coordinate(random).to_string()});
    case 7: return Filter::exists(random.coin() ? "$created_at" : "$coordinate");
    default: return Filter::gt("$importance", random.below(3));
  }
}

Filter some_filter(testing::Random& random, std::size_t depth) {
  if (depth == 0 || random.one_in(3)) return some_test(random);
  const Filter left = some_filter(random, depth - 1);
  switch (random.below(3)) {
    case 0: return left && some_filter(random, depth - 1);
    case 1: return left || some_filter(random, depth - 1);
    default: return !left;
  }
}

// Random memories as rows of a collection of our own, so that what a condition lets through can be asked for alone.
class Rows {
 public:
  explicit Rows(testing::Random& random) {
    const VersionPlace place{.space = {}, .number = 1, .dimension = dimension, .metric = Metric::l2};
    std::vector<Version> versions;
    const std::vector<float> vector(dimension, 1);
    for (MemoryId id = 1; id <= 300; ++id) {
      Row row{.id = id};
      row.memory = {.coordinate = some_coordinate(random),
                    .type = random.coin() ? MemoryType::episodic : MemoryType::semantic,
                    .importance = static_cast<double>(random.below(3)),
                    .created_at = some_time(random)};
      versions.push_back({.id = id, .born = id, .vector = vector, .fields = VectorFields::of(row.memory)});
      rows_.push_back(std::move(row));
    }
    token_ = store_->insert(place, 1, versions, nullptr).value();
    place_ = place;
  }

  std::set<MemoryId> passing(const Filter& filter, std::string_view prefix) const {
    std::set<MemoryId> ids;
    for (const Row& row : rows_) {
      if (row.memory.coordinate.key().starts_with(prefix) && matches(filter, row)) ids.insert(row.id);
    }
    return ids;
  }
  std::set<MemoryId> chosen(std::string_view condition) {
    const std::vector<float> vector(dimension, 1);
    const VersionMoment moment{.epoch = 1, .as_of = 1'000, .token = token_};
    const auto found = store_->nearest(place_, moment, {.vector = vector, .k = rows_.size(), .condition = condition});
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    std::set<MemoryId> ids;
    for (const StoredVersion& version : *found) ids.insert(version.id);
    return ids;
  }
  const Row& pick(testing::Random& random) const { return rows_[random.below(rows_.size())]; }

 private:
  std::unique_ptr<milvus::MilvusStore> store_ = testing::milvus_store(testing::fresh_remote_identity());
  VersionPlace place_{};
  std::uint64_t token_ = 0;
  std::vector<Row> rows_{};
};

// An index on the server beside one in the process.
struct Pair {
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::shared_ptr<RemoteVectorIndex> index =
      open_milvus_index({.url = testing::milvus_server(), .wait = true}, storage).value();
  FractalMemory far = open(storage, index);
  FractalMemory near = open(storage, make_flat_index());

  static FractalMemory open(std::shared_ptr<Storage> storage, std::shared_ptr<VectorIndex> index) {
    Options options{.embedder = nullptr, .storage = std::move(storage)};
    options.vector_index = std::move(index);
    return FractalMemory::open(options).value();
  }
  void check(const std::vector<float>& query, const SearchOptions& options, std::string_view plan) const {
    const auto found = far.search(query, options).value();
    const auto wanted = near.search(query, options).value();
    CHECK(found.matched == wanted.matched);
    REQUIRE(found.hits.size() == wanted.hits.size());
    for (std::size_t i = 0; i < found.hits.size(); ++i) {
      CHECK(found.hits[i].memory.coordinate == wanted.hits[i].memory.coordinate);
    }
    CHECK_MESSAGE(found.plan.find(plan) != std::string::npos, found.plan);
  }

  // The vectors of these memories go from the server, behind everybody's back, and are mended.
  void lose_and_mend(const std::vector<Coordinate>& coordinates) const {
    const auto view = storage->read({}).value();
    const SpaceRecord& record = view->space();
    std::vector<VersionStore::Name> names;
    for (const Coordinate& coordinate : coordinates) {
      const auto row = view->get(coordinate.key(), Columns::header).value();
      names.emplace_back(row->id, row->vector_sequence);
    }
    const auto store = testing::milvus_store(storage->setting("milvus/identity").value().value());
    const VersionPlace place{
        .space = record.space, .number = record.number, .dimension = record.dimension, .metric = record.metric};
    const std::uint64_t epoch = store->mark(place, nullptr).value().epoch;
    REQUIRE(store->erase(place, epoch, names).has_value());
    const auto pull = [&](std::uint64_t after, const VectorVisitor& visit) {
      return view->vectors(after, index->columns(), visit);
    };
    CHECK(index->reconcile(record, pull, {}).value().missing == names.size());
  }
};

}  // namespace

TEST_CASE("a condition lets through what its filter does; nothing else, if it says so") {
  testing::Random random(testing::announced_seed("conditions"));
  Rows rows(random);
  int exact = 0, inexact = 0;
  for (int round = 0; round < 600; ++round) {
    const Filter filter = some_filter(random, 3);
    std::string prefix;
    if (random.one_in(4)) prefix = rows.pick(random).memory.coordinate.key().substr(0, 8);
    if (!filter.check()) continue;  // a time that is none
    const VersionCondition condition = milvus::condition_of(filter, prefix);
    CAPTURE(filter.to_json());
    CAPTURE(condition.text);
    if (condition.text.empty()) {
      CHECK_FALSE(condition.exact);
      continue;
    }
    const auto wanted = rows.passing(filter, prefix);
    const auto found = rows.chosen(condition.text);
    if (condition.exact) {
      CHECK(found == wanted);
      ++exact;
    } else {
      CHECK(std::includes(found.begin(), found.end(), wanted.begin(), wanted.end()));
      ++inexact;
    }
  }
  CHECK(exact > 100);
  CHECK(inexact > 20);
  CHECK(milvus::condition_of(Filter::gt("$importance", 1), "").text.empty());
  CHECK(milvus::condition_of(Filter(), "").exact);
}

TEST_CASE("many memories are chosen by what they have in common") {
  Pair pair;
  testing::Random random(testing::announced_seed("chosen"));
  const auto vector = [&] {
    std::vector<float> components(16);
    for (float& component : components) component = static_cast<float>(random.below(2'000)) / 1'000 - 1;
    return components;
  };
  Batch batch;
  const auto at = [](int i) { return Coordinate{1.0 * (i % 2), 1.0 * i}; };
  for (int i = 0; i < 12'000; ++i) {
    batch.store(
        {.coordinate = at(i), .type = i % 6 == 0 ? MemoryType::episodic : MemoryType::semantic, .embedding = vector()});
  }
  pair.far.apply(batch).value();
  const Filter semantic = Filter::eq("$type", "semantic"), all = Filter::ge("$version", 1);
  pair.check(vector(), {.filter = semantic}, "by condition");
  pair.check(vector(), {.within = {1}}, "by condition");
  pair.check(vector(), {.filter = semantic, .within = {0}}, "by condition");
  // Of a filter that is known in part, that part, unless the ids are few enough to be named.
  pair.check(vector(), {.filter = semantic && all}, "by condition");
  pair.check(vector(), {.filter = !semantic && all}, "proposed 26:");
  pair.check(vector(), {.filter = all}, "proposed");
  // A type that changes takes the vector along.
  for (int i = 0; i < 200; ++i) {
    const MemoryType type = i % 6 == 0 ? MemoryType::semantic : MemoryType::episodic;
    pair.far.update(at(i), {.type = type}).value();
  }
  for (int round = 0; round < 10; ++round) {
    pair.check(vector(), {.top_k = 50, .filter = round % 2 == 0 ? semantic : !semantic}, "by condition");
  }
  // What is mended has its type, too.
  std::vector<Coordinate> lost;
  for (int i = 1'001; i < 1'301; ++i) {
    if (i % 6 != 0) lost.push_back(at(i));
  }
  pair.lose_and_mend(lost);
  for (std::size_t i = 0; i < lost.size(); i += 20) {
    pair.check(pair.far.retrieve(lost[i])->embedding, {.top_k = 3, .filter = semantic}, "by condition");
  }
  CHECK(pair.far.verify()->problems.empty());
}
