// Options::memory_budget and disk_budget: what they hold to, and that they change no answer.
#include "engine.h"

#include <filesystem>
#include <map>

using namespace engine;

namespace {

constexpr std::uint64_t budget = 4u << 20, views = budget / 8 * 5;
constexpr std::size_t dimension = 128;

FractalMemory open_with(std::uint64_t memory_budget, bool background = false) {
  Options options = fresh_options();
  options.memory_budget = memory_budget;
  options.index.background = background;
  options.embedder = nullptr;
  return FractalMemory::open(options).value();
}

// The same writes to a database with a budget and one without; their answers must be the same.
struct Twins {
  std::mt19937_64& random;
  FractalMemory small, large;

  Twins(std::mt19937_64& numbers, bool background)
      : random(numbers), small(open_with(budget, background)), large(open_with(0)) {}

  void apply(const Space& space, const Batch& batch) const {
    small.in(space).apply(batch).value();
    large.in(space).apply(batch).value();
  }

  // Returns the plan of the one with a budget.
  std::string check_search(const Space& space, const SearchOptions& options) const {
    const auto query = random_vector(random, dimension);
    const auto found = small.in(space).search(query, options).value();
    const auto expected = large.in(space).search(query, options).value();
    CHECK(found.matched == expected.matched);
    CHECK(found.exact);
    REQUIRE(found.hits.size() == expected.hits.size());
    for (std::size_t i = 0; i < found.hits.size(); ++i) {
      CHECK(found.hits[i].memory.coordinate == expected.hits[i].memory.coordinate);
      CHECK(found.hits[i].score == expected.hits[i].score);
    }
    CHECK(small.stats().value().memory_bytes <= views);
    return found.plan;
  }
};

Space numbered(std::size_t i) { return {.tenant = "t" + std::to_string(i % 7), .name = std::to_string(i)}; }

void store(Batch& batch, std::mt19937_64& random, std::size_t place) {
  batch.store({.coordinate = {static_cast<double>(place)},
               .payload = R"({"n":)" + std::to_string(place % 10) + "}",
               .embedding = random_vector(random, dimension)});
}

std::uint64_t file_bytes(const std::string& path) {
  std::uint64_t sum = 0;
  for (const std::string suffix : {"", "-wal"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(path + suffix, missing);
    if (!missing) sum += size;
  }
  return sum;
}

// As the file system has it, where there is a file.
std::uint64_t bytes_taken(const FractalMemory& memory, const Options& options) {
  return storage_is_a_file() ? file_bytes(options.path) : memory.stats().value().file_bytes;
}

}  // namespace

TEST_CASE("memory budget: spaces used longest ago are forgotten, answers stay") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Twins twins(random, false);
  constexpr std::size_t spaces = 40, rows = 250;  // some 7 MB of vectors
  for (std::size_t i = 0; i < spaces; ++i) {
    Batch batch;
    for (std::size_t row = 0; row < rows; ++row) store(batch, random, row);
    twins.apply(numbered(i), batch);
  }
  for (std::size_t i = 0; i < spaces; ++i) twins.check_search(numbered(i), {});
  std::size_t loaded = 0;
  for (std::size_t i = 0; i < spaces; ++i) {
    loaded += twins.small.in(numbered(i)).stats().value().index_vectors != 0 ? 1 : 0;
    CHECK(twins.large.in(numbered(i)).stats().value().index_vectors == rows);
  }
  CHECK(loaded > spaces / 8);
  CHECK(loaded < spaces / 2);
  for (int round = 0; round < 200; ++round) {
    const Space space = numbered(below(random, spaces));
    if (below(random, 3) == 0) {
      Batch batch;
      store(batch, random, below(random, 2 * rows));
      batch.remove({static_cast<double>(below(random, 2 * rows))});
      twins.apply(space, batch);
    }
    SearchOptions options{.top_k = 1 + below(random, 20)};
    if (below(random, 2) == 0) options.filter = Filter::lt("n", 3);
    twins.check_search(space, options);
  }
  CHECK(twins.small.verify().value().ok());
}

TEST_CASE("memory budget: a space that has no room is compared row by row") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const bool background : {false, true}) {
    const Twins twins(random, background);
    constexpr std::size_t rows = 6000;  // more than 4 MB of vectors
    int from_rows = 0;
    const auto check = [&] {
      for (const auto& options : {SearchOptions{}, SearchOptions{.top_k = 3, .offset = 2, .filter = Filter::eq("n", 4)},
                                  SearchOptions{.top_k = 40, .exact = true}}) {
        from_rows += twins.check_search({}, options).find("rows") != std::string::npos ? 1 : 0;
      }
    };
    for (std::size_t first = 0; first < rows; first += 500) {
      Batch batch;
      for (std::size_t row = first; row < first + 500; ++row) store(batch, random, row);
      twins.apply({}, batch);
      check();
    }
    for (int round = 0; round < 20; ++round) {
      Batch batch;
      for (int i = 0; i < 40; ++i) {
        store(batch, random, below(random, rows));
        batch.remove({static_cast<double>(below(random, rows))});
        const std::string text = R"({"n":)" + std::to_string(below(random, 10)) + "}";
        batch.store({.coordinate = {static_cast<double>(rows) + below(random, 500)}, .payload = text});
      }
      const auto before = twins.small.snapshot().value();
      const auto query = random_vector(random, dimension);
      const auto then = before.search(query).value();
      twins.apply({}, batch);
      const auto again = before.search(query).value();
      REQUIRE(again.hits.size() == then.hits.size());
      for (std::size_t i = 0; i < then.hits.size(); ++i) {
        CHECK(again.hits[i].memory.coordinate == then.hits[i].memory.coordinate);
        CHECK(again.hits[i].score == then.hits[i].score);
      }
      check();
      if (round == 10) {
        twins.small.maintain().value();
        check();
      }
    }
    CHECK(twins.small.verify().value().ok());
    // Rows go to files where there are any: then there is room for the rest.
    if (!durable_storage()) CHECK(from_rows > 60);
    CHECK(twins.small.stats().value().index_bytes <= views);
  }
}

TEST_CASE("memory budget: links of spaces used longest ago are forgotten") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Twins twins(random, false);
  constexpr std::size_t spaces = 8, places = 800, links = 6000;
  const auto place = [&] { return Coordinate{static_cast<double>(below(random, places))}; };
  for (std::size_t i = 0; i < spaces; ++i) {
    Batch batch;
    for (std::size_t n = 0; n < links; ++n) {
      batch.link({.from = place(), .to = place(), .strength = 0.25 * static_cast<double>(1 + below(random, 4))});
    }
    twins.apply(numbered(i), batch);
  }
  std::size_t in_memory = 0;
  for (int round = 0; round < 400; ++round) {
    const Space space = numbered(static_cast<std::size_t>(round) / 50);
    const NeighborOptions options{.hops = 3, .limit = places};
    const Coordinate start = place();
    CHECK(coordinates(twins.small.in(space).neighbors(start, options).value()) ==
          coordinates(twins.large.in(space).neighbors(start, options).value()));
    const auto stats = twins.small.in(space).stats().value();
    in_memory += stats.links_in_memory != 0 ? 1 : 0;
    CHECK(stats.memory_bytes <= views);
  }
  CHECK(in_memory > 200);
  std::size_t loaded = 0;
  for (std::size_t i = 0; i < spaces; ++i) {
    loaded += twins.small.in(numbered(i)).stats().value().links_in_memory != 0 ? 1 : 0;
  }
  CHECK(loaded >= 1);
  CHECK(loaded < spaces);
}

TEST_CASE("disk budget: what might pass it is refused whole") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  Options options = fresh_options();
  options.disk_budget = 8u << 20;
  options.index.background = false;
  const auto memory = FractalMemory::open(options).value();
  constexpr std::size_t most = 20'000;
  std::size_t stored = 0;
  std::optional<Error> refused;
  while (!refused && stored < most) {
    Batch batch;
    const std::size_t size = 1 + below(random, 20);
    for (std::size_t i = 0; i < size; ++i) store(batch, random, stored + i);
    const auto applied = memory.apply(batch);
    if (applied) {
      stored += size;
    } else {
      refused = applied.error();
    }
    if (durable_storage()) REQUIRE(bytes_taken(memory, options) <= options.disk_budget);
  }
  CHECK(memory.stats().value().memories == stored);
  if (!durable_storage()) {
    CHECK(stored >= most);
    return;
  }
  REQUIRE(refused);
  CHECK(refused->code == Errc::io);
  CHECK(mentions(*refused, "disk_budget"));
  CHECK(bytes_taken(memory, options) > options.disk_budget / 3);
  CHECK(memory.verify().value().ok());
  // Removing makes room.
  Batch batch;
  for (std::size_t i = 0; i < stored; ++i) batch.remove({static_cast<double>(i)});
  memory.apply(batch).value();
  if (!storage_is_a_file()) return;  // a server gives the room back when nobody sees what was there any more
  memory.maintain({.purge = true}).value();
  CHECK(memory.stats().value().file_bytes < options.disk_budget / 3);
  Batch again;
  store(again, random, 0);
  CHECK(memory.apply(again).has_value());
}

TEST_CASE("budgets: too small ones are refused") {
  Options options = fresh_options();
  options.memory_budget = 1;
  CHECK(mentions(error_of(FractalMemory::open(options)), "memory_budget"));
  options.memory_budget = 0;
  options.disk_budget = 1;
  CHECK(mentions(error_of(FractalMemory::open(options)), "disk_budget"));
}
