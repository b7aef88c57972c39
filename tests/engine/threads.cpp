// Readers and writers at once. Each reader sees each state whole.
#include "engine.h"

#include <set>
#include <thread>

using namespace engine;

namespace {

constexpr int memories = 1000;

Memory version_of(int i, int writer, int round) {
  const float turn = static_cast<float>((i * 7 + round * 13) % 360) * 0.0174532925f;
  return {.coordinate = {static_cast<double>(i)},
          .payload =
              "{\"text\": \"common w" + std::to_string(round % 5) + "\", \"writer\": " + std::to_string(writer) + "}",
          .embedding = {std::cos(turn), std::sin(turn), static_cast<float>(i % 10) * 0.1f}};
}

// doctest's macros take a lock; what threads find goes here instead.
struct Faults {
  std::atomic<int> repeated{0}, wrong_count{0}, failed{0}, unordered{0}, searches{0};
};

void search_all_ways(const FractalMemory& memory, int seed, Faults& faults) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const std::vector<float> query = random_vector(random, 3);
  SearchOptions options{.top_k = below(random, 3) == 0 ? 2000 : 1 + below(random, 50)};
  Query asked{.text = {}, .vector = query};
  switch (below(random, 4)) {
    case 0: asked = {.text = "common", .vector = {}}; break;
    case 1: asked.text = "common"; break;
    case 2: options.filter = Filter::ge("writer", 0); break;
    default: break;
  }
  const auto found = memory.search(asked, options);
  ++faults.searches;
  if (!found) {
    ++faults.failed;
    return;
  }
  if (found->matched != memories || found->hits.size() != std::min<std::size_t>(options.top_k, memories))
    ++faults.wrong_count;
  std::set<Coordinate> seen;
  for (std::size_t i = 0; i < found->hits.size(); ++i) {
    if (!seen.insert(found->hits[i].memory.coordinate).second) ++faults.repeated;
    if (i > 0 && found->hits[i - 1].score < found->hits[i].score) ++faults.unordered;
  }
}

}  // namespace

TEST_CASE("4 writers keep changing the same 1,000 memories while 4 readers search: each is found once") {
  const auto memory = open_fresh();
  Batch batch;
  for (int i = 0; i < memories; ++i) batch.store(version_of(i, 0, 0));
  memory.apply(batch).value();

  constexpr int rounds = 150;
  Faults faults;
  std::atomic<int> writing{4};
  std::vector<std::thread> threads;
  for (int w = 0; w < 4; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937_64 random(static_cast<std::uint64_t>(w) + 100);
      for (int round = 1; round <= rounds; ++round) {
        Batch changes;
        for (int k = 0; k < 5; ++k) {
          const Memory one = version_of(static_cast<int>(below(random, memories)), w, round);
          if (k % 2 == 0)
            changes.store(one);
          else
            changes.update(one.coordinate, {.payload = one.payload, .embedding = one.embedding});
        }
        // Gone and back in one step: no reader may miss it.
        const Memory again = version_of(static_cast<int>(below(random, memories)), w, round);
        changes.remove(again.coordinate).store(again);
        if (!memory.apply(changes)) ++faults.failed;
      }
      --writing;
    });
  }
  for (int r = 0; r < 4; ++r) {
    threads.emplace_back([&, r] {
      for (int i = 0; writing > 0 || i < 20; ++i) search_all_ways(memory, r * 100'000 + i, faults);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(faults.searches >= 80);
  CHECK(faults.failed == 0);
  CHECK(faults.wrong_count == 0);
  CHECK(faults.repeated == 0);
  CHECK(faults.unordered == 0);
  CHECK(memory.stats().value().vectors == memories);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("every kind of call from 8 threads") {
  Options options = fresh_options();
  options.count_accesses = true;
  options.audit.reads = true;
  const auto memory = FractalMemory::open(options).value();
  std::atomic<int> failed{0};
  const auto ok = [&](const auto& result) {
    if (!result && result.error().code != Errc::not_found) ++failed;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      const auto own = t % 2 == 0 ? memory : memory.in({.tenant = "odd"});
      for (int i = 0; i < 120; ++i) {
        const Coordinate at{static_cast<double>(below(random, 40))}, to{static_cast<double>(below(random, 40))};
        const std::vector<float> vector = random_vector(random, 4);
        switch (below(random, 16)) {
          case 0: ok(own.remove(at)); break;
          case 1: ok(own.link({.from = at, .to = to})); break;
          case 2: ok(own.unlink(at, to)); break;
          case 3: ok(own.update(at, {.payload = R"({"text": "coffee"})", .embedding = vector})); break;
          case 4: ok(own.retrieve(at)); break;
          case 5: ok(own.search({.text = "tea", .vector = vector})); break;
          case 6: ok(own.neighbors(at, {.hops = 3, .direction = Direction::both})); break;
          case 7: ok(own.path(at, to)); break;
          case 8: ok(own.list({.filter = Filter::exists("text")})); break;
          case 9: ok(own.near(at)); break;
          case 10: ok(own.changes(0)); break;
          case 11: {
            const auto snapshot = own.snapshot();
            ok(snapshot);
            ok(own.store({.coordinate = at, .payload = R"({"text": "tea"})", .embedding = vector}));
            if (snapshot) ok(snapshot->search(vector));
            if (snapshot) ok(snapshot->list());
            break;
          }
          case 12: ok(own.stats()); break;
          case 13: ok(own.health()); break;
          default: ok(own.store({.coordinate = at, .payload = R"({"text": "tea"})", .embedding = vector}));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("one snapshot, many threads") {
  const auto memory = open_fresh();
  Batch batch;
  for (int i = 0; i < 200; ++i) batch.store(version_of(i, 0, 0));
  memory.apply(batch).value();
  const auto snapshot = memory.snapshot().value();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::vector<float> query{1, 0, 0};
      for (int i = 0; i < 25; ++i) {
        if (t == 0) memory.store(version_of(1000 + i, t, i)).value();
        if (snapshot.search(query).value().matched != 200) ++wrong;
        if (snapshot.list({.limit = 1000}).value().memories.size() != 200) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("erasing a space while others write to it and search it") {
  const auto memory = open_fresh();
  const auto space = memory.in({.tenant = "short lived"});
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, stored{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        ++(space.store(version_of(t * 1000 + i % 50, t, i)) ? stored : failed);
        const std::vector<float> query{1, 0, 0};
        const auto found = space.search({.text = "common", .vector = query}, {.top_k = 500});
        if (!found || found->hits.size() != std::min<std::uint64_t>(500, found->matched)) ++failed;
      }
    });
  }
  for (int i = 0; i < 15; ++i) {
    while (stored < 20 * (i + 1) && failed == 0) std::this_thread::yield();
    if (!space.erase_space()) ++failed;
    memory.store(version_of(i, 0, 0)).value();
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(memory.stats().value().memories == 15);
  CHECK(memory.verify().value().ok());
}
