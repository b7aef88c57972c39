// reembed(): a space moves to another embedder at once, while others read and write, or not at all.
#include "bag_embedder.h"
#include "engine.h"

#include <stdexcept>
#include <thread>

using namespace engine;

namespace {

struct Setting {
  Options options = fresh_options();
  std::shared_ptr<Bag> from = drink_bag(), to = place_bag();
  FractalMemory memory = open(from);

  FractalMemory open(std::shared_ptr<Embedder> embedder) {
    options.embedder = std::move(embedder);
    return FractalMemory::open(options).value();
  }
};

void fill(const FractalMemory& memory, int count) {
  Batch batch;
  for (int i = 0; i < count; ++i) {
    const std::string words = i % 3 == 0 ? "tea in Lyon" : i % 3 == 1 ? "coffee in Porto" : "a harbour";
    batch.store({.coordinate = {static_cast<double>(i)}, .payload = text(words)});
  }
  memory.apply(batch).value();
}

}  // namespace

TEST_CASE("reembed: all vectors change, and texts go on with the new embedder") {
  Setting set;
  fill(set.memory, 999);
  set.memory.link({.from = {0}, .to = {1}}).value();
  CHECK(set.memory.stats().value().vectors == 666);  // a harbour means nothing to the first
  const auto old = set.memory.snapshot().value();
  const auto report = set.memory.reembed(set.to).value();
  CHECK(report.memories == 999);
  CHECK(report.vectors == 999);
  const Stats stats = set.memory.stats().value();
  CHECK(stats.embedder == "places 5 00ff");
  CHECK(stats.dimension == 5);
  CHECK(stats.links == 1);
  CHECK(set.memory.retrieve({2})->embedding == std::vector<float>{0, 0, 0, 1, 0});
  CHECK(set.memory.search("harbour", {.mode = SearchMode::vector}).value().hits[0].score == 1);
  set.memory.store({.coordinate = {5000}, .payload = text("a river")}).value();
  CHECK(coordinates(set.memory.search("river", {.top_k = 1}).value().hits) == "5000.0");
  CHECK(set.memory.verify().value().ok());
  // What was pinned before is still asked by its own embedder.
  CHECK(old.search("coffee", {.top_k = 500, .mode = SearchMode::vector}).value().matched == 666);
  CHECK(old.stats().value().embedder == "drinks 4 00ff");
}

TEST_CASE("reembed: writes while it works are in it") {
  Setting set;
  fill(set.memory, 600);
  int calls = 0;
  set.to->before = [&] {
    if (++calls > 4) return;  // the fourth is the last before the switch, when writers wait
    set.memory.store({.coordinate = {1000.0 + calls}, .payload = text("tea on the river")}).value();
    set.memory.update({static_cast<double>(calls)}, {.payload = text("a harbour")}).value();
    set.memory.remove({100.0 + calls}).value();
    // Nobody sees any of it before the end.
    CHECK(set.memory.stats().value().embedder == "drinks 4 00ff");
    CHECK(set.memory.search("coffee", {.mode = SearchMode::vector}).value().hits.size() == 10);
  };
  set.memory.reembed(set.to).value();
  CHECK(calls >= 5);  // the fifth embeds in the switch what the fourth changed
  const int times = 4;
  const Stats stats = set.memory.stats().value();
  CHECK(stats.memories == 600);
  CHECK(stats.vectors == 600);
  for (int i = 1; i <= times; ++i) {
    CHECK(set.memory.retrieve({static_cast<double>(i)})->embedding == std::vector<float>{0, 0, 0, 1, 0});
    CHECK(set.memory.retrieve({1000.0 + i})->embedding.size() == 5);
    CHECK_FALSE(set.memory.retrieve({100.0 + i}).has_value());
  }
  CHECK(set.memory.verify().value().ok());
}

TEST_CASE("reembed: stopped at any moment, it has changed nothing") {
  Setting set;
  fill(set.memory, 600);
  const std::string before = exported(set.memory);
  int calls = 0, stop_at = 0;
  std::atomic<bool> cancel{false};
  set.to->before = [&] {
    if (++calls != stop_at) return;
    if (stop_at % 2 == 0) cancel = true;
    if (stop_at % 2 != 0) set.to->fail = true;
  };
  for (stop_at = 1; stop_at <= 3; ++stop_at) {
    calls = 0;
    cancel = false;
    set.to->fail = false;
    CHECK(error_of(set.memory.reembed(set.to, {.cancel = &cancel})).code == Errc::unavailable);
    CHECK(exported(set.memory) == before);
    CHECK(set.memory.search("tea").value().mode == SearchMode::hybrid);
  }
  set.to->fail = false;
  const auto deadline = std::chrono::steady_clock::now();
  CHECK(error_of(set.memory.reembed(set.to, {.deadline = deadline})).code == Errc::unavailable);
  CHECK(exported(set.memory) == before);
}

TEST_CASE("reembed: the caller's vectors, too; and no embedder is an error") {
  Setting set;
  set.memory.store({.coordinate = {1}, .payload = text("tea"), .embedding = {1, 2, 3}}).value();
  set.memory.store({.coordinate = {2}, .payload = text("unknown"), .embedding = {1, 2, 3}}).value();
  const auto report = set.memory.reembed().value();
  CHECK(report.memories == 2);
  CHECK(report.vectors == 1);
  CHECK(set.memory.stats().value().embedder == "drinks 4 00ff");
  CHECK(set.memory.retrieve({2})->embedding.empty());
  CHECK(set.memory.in({.tenant = "nobody"}).reembed().value().memories == 0);
  CHECK(error_of(open_fresh().reembed()).code == Errc::invalid_argument);
}

TEST_CASE("reembed: another handle on the same file follows") {
  if (!durable_storage()) return;
  Setting set;
  fill(set.memory, 90);
  const auto other = set.open(set.to);
  CHECK(error_of(other.search("Lyon")).code == Errc::unsupported);
  const std::vector<float> vector{1, 0, 0, 0};
  CHECK(other.search(vector).value().matched == 60);
  other.reembed().value();
  CHECK(other.search("Lyon", {.top_k = 1, .mode = SearchMode::vector}).value().matched == 90);
  CHECK(set.memory.search(std::vector<float>{1, 0, 0, 0, 0}).value().matched == 90);
  CHECK(error_of(set.memory.search("tea")).code == Errc::unsupported);
  CHECK(set.memory.search("tea", {.mode = SearchMode::keyword}).value().matched == 30);
}

TEST_CASE("reembed: readers and writers on other threads see the old or the new, never a mixture") {
  Setting set;
  fill(set.memory, 300);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto found = set.memory.search("tea", {.top_k = 1000, .mode = SearchMode::vector});
        if (!found || (found->matched != 200 && found->matched != 300)) ++wrong;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; !stop; ++i) {
      if (!set.memory.update({static_cast<double>(i % 300)}, {.importance = static_cast<double>(i)})) ++wrong;
    }
  });
  for (int round = 0; round < 3; ++round) {
    set.memory.reembed(set.to).value();
    set.memory.reembed(set.from).value();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(set.memory.stats().value().vectors == 200);
}
