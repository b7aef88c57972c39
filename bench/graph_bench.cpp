// Walks beside the same walks by hand: one prepared query for each coordinate of the frontier, and a set of the
// coordinates seen. The graph: 20,000 coordinates, 60,000 links, most of them to coordinates near by.
#include "corpus.h"
#include "floor/sqlite_rows.h"
#include "timing.h"

#include <benchmark/benchmark.h>

#include <unordered_map>
#include <unordered_set>

namespace {

using fractal::Coordinate;
using fractal::FractalMemory;
namespace bench = fractal::bench;

constexpr std::size_t coordinates = 20'000;

class Graph {
 public:
  Graph() {
    std::mt19937_64 random(11);
    library_ = FractalMemory::open(folder_.file("graph.db")).value();
    fractal::Batch batch;
    for (std::size_t i = 0; i < coordinates; ++i) {
      for (int link = 0; link < 3; ++link) {
        const std::size_t to = link == 0 ? random() % coordinates : (i + 1 + random() % 50) % coordinates;
        batch.link({.from = at(i), .to = at(to)});
      }
    }
    library_->apply(batch).value();
    floor_.emplace(folder_.file("graph.db"));
  }

  static Coordinate at(std::size_t i) { return {1, static_cast<double>(i)}; }
  Coordinate any() { return at(random_() % coordinates); }
  const FractalMemory& library() const { return *library_; }
  bench::SqliteRows& floor() { return *floor_; }

 private:
  bench::TemporaryFolder folder_;
  std::mt19937_64 random_{13};
  std::optional<FractalMemory> library_;
  std::optional<bench::SqliteRows> floor_;
};

Graph& graph() {
  static Graph made;
  return made;
}

std::size_t walk_by_hand(bench::SqliteRows& rows, const std::string& start, std::size_t hops) {
  std::unordered_set<std::string> seen{start};
  std::vector<std::string> frontier{start}, next, targets;
  rows.begin();
  for (std::size_t hop = 0; hop < hops; ++hop) {
    next.clear();
    for (const std::string& key : frontier) {
      targets.clear();
      rows.targets(key, targets);
      for (std::string& target : targets) {
        if (seen.insert(target).second) next.push_back(std::move(target));
      }
    }
    frontier.swap(next);
  }
  rows.commit();
  return seen.size() - 1;
}

// From one end, as a program with only outgoing queries would: until the target is seen.
bool path_by_hand(bench::SqliteRows& rows, const std::string& from, const std::string& to, std::size_t max_hops) {
  std::unordered_map<std::string, std::string> came_from{{from, ""}};
  std::vector<std::string> frontier{from}, next, targets;
  rows.begin();
  bool found = false;
  for (std::size_t hop = 0; hop < max_hops && !found; ++hop) {
    next.clear();
    for (const std::string& key : frontier) {
      targets.clear();
      rows.targets(key, targets);
      for (std::string& target : targets) {
        if (!came_from.try_emplace(target, key).second) continue;
        found = found || target == to;
        next.push_back(std::move(target));
      }
    }
    frontier.swap(next);
  }
  rows.commit();
  return found;
}

void neighbors(benchmark::State& state) {
  const auto hops = static_cast<std::size_t>(state.range(0));
  Coordinate start = graph().any();
  std::size_t found = 0, by_hand = 0;
  const auto job = [&] { found = graph().library().neighbors(start, {.hops = hops, .limit = 100'000}).value().size(); };
  const auto floor = [&] { by_hand = walk_by_hand(graph().floor(), start.key(), hops); };
  for (auto _ : state) job();
  std::vector<double> jobs, floors;
  std::size_t agree = 0;
  for (int round = 0; round < 200; ++round) {
    start = graph().any();
    jobs.push_back(bench::seconds(job));
    floors.push_back(bench::seconds(floor));
    agree += found == by_hand ? 1 : 0;
  }
  state.counters["us"] = bench::median(jobs) * 1e6;
  state.counters["floor_us"] = bench::median(floors) * 1e6;
  state.counters["x_floor"] = bench::median(jobs) / bench::median(floors);
  state.counters["reached"] = static_cast<double>(found);
  state.counters["agree"] = static_cast<double>(agree) / 200;
}

void path(benchmark::State& state) {
  Coordinate from = graph().any(), to = graph().any();
  bool found = false, by_hand = false;
  const auto job = [&] { found = graph().library().path(from, to, {.max_hops = 16}).has_value(); };
  const auto floor = [&] { by_hand = path_by_hand(graph().floor(), from.key(), to.key(), 16); };
  for (auto _ : state) job();
  std::vector<double> jobs, floors;
  std::size_t agree = 0;
  for (int round = 0; round < 30; ++round) {
    from = graph().any();
    to = graph().any();
    jobs.push_back(bench::seconds(job));
    floors.push_back(bench::seconds(floor));
    agree += found == by_hand ? 1 : 0;
  }
  state.counters["us"] = bench::median(jobs) * 1e6;
  state.counters["floor_us"] = bench::median(floors) * 1e6;
  state.counters["x_floor"] = bench::median(jobs) / bench::median(floors);
  state.counters["agree"] = static_cast<double>(agree) / 30;
}

BENCHMARK(neighbors)->ArgName("hops")->Arg(1)->Arg(2)->Arg(3)->Unit(benchmark::kMicrosecond);
BENCHMARK(path)->Unit(benchmark::kMicrosecond);

}  // namespace
