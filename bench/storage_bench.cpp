// Writing and reading memories beside their floor: the same rows, written and read by hand.
// x_floor: quotient of the medians of alternating runs. us: of the library, a memory.
#include "corpus.h"
#include "floor/sqlite_rows.h"
#include "timing.h"

#include <benchmark/benchmark.h>

#include <thread>

namespace {

using fractal::FractalMemory;
using fractal::Memory;
namespace bench = fractal::bench;

// A database for the library and one for the floor, each with some memories.
class TwoDatabases {
 public:
  explicit TwoDatabases(std::size_t memories) : corpus_(1) {
    FractalMemory floor = FractalMemory::open(folder_.file("floor.db")).value();
    library_ = FractalMemory::open(folder_.file("library.db")).value();
    fractal::Batch batch;
    for (std::size_t i = 0; i < memories; ++i) {
      batch.store(corpus_.next(0));
      if (batch.size() < 1000 && i + 1 != memories) continue;
      floor.apply(batch).value();
      library_->apply(batch).value();
      batch.clear();
    }
  }

  const FractalMemory& library() const { return *library_; }
  bench::SqliteRows& floor() {
    if (!floor_) floor_.emplace(folder_.file("floor.db"));
    return *floor_;
  }
  bench::Corpus& corpus() { return corpus_; }
  const bench::TemporaryFolder& folder() const { return folder_; }

 private:
  bench::TemporaryFolder folder_;
  bench::Corpus corpus_;
  std::optional<FractalMemory> library_;
  std::optional<bench::SqliteRows> floor_;
};

void report(benchmark::State& state, const bench::Pair& pair, double memories, double bytes) {
  state.counters["us"] = pair.job * 1e6 / memories;
  state.counters["floor_us"] = pair.floor * 1e6 / memories;
  state.counters["x_floor"] = pair.ratio();
  state.counters["GB/s"] = bytes / pair.job * 1e-9;
}

double bytes_of(const Memory& memory) {
  return static_cast<double>(memory.payload.size() + memory.embedding.size() * sizeof(float));
}

// Argument: memories in one commit. 1 is store(), a sync each.
void store(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  TwoDatabases two(1000);
  double bytes = 0;
  std::vector<Memory> memories;
  std::vector<bench::SqliteRows::Ready> ready;
  const auto prepare = [&] {
    memories.clear();
    ready.clear();
    bytes = 0;
    for (std::size_t i = 0; i < size; ++i) {
      memories.push_back(two.corpus().next(1));
      ready.push_back(bench::SqliteRows::prepare(memories.back()));
      bytes += bytes_of(memories.back());
    }
  };
  const auto job = [&] {
    if (size == 1) {
      two.library().store(memories.front()).value();
      return;
    }
    fractal::Batch batch;
    for (Memory& memory : memories) batch.store(std::move(memory));
    two.library().apply(batch).value();
  };
  for (auto _ : state) {
    state.PauseTiming();
    prepare();
    state.ResumeTiming();
    job();
  }
  std::vector<double> jobs, floors;
  for (int round = 0; round < (size == 1 ? 300 : 15); ++round) {
    prepare();
    floors.push_back(bench::seconds([&] { two.floor().store(ready); }));
    jobs.push_back(bench::seconds(job));
  }
  report(state, {bench::median(jobs), bench::median(floors)}, static_cast<double>(size), bytes);
}

void retrieve(benchmark::State& state) {
  TwoDatabases two(10'000);
  std::mt19937_64 random(3);
  const auto coordinate = [&] { return fractal::Coordinate{0, static_cast<double>(1 + random() % 10'000)}; };
  const auto job = [&] { benchmark::DoNotOptimize(two.library().retrieve(coordinate()).value()); };
  const auto floor = [&] { benchmark::DoNotOptimize(two.floor().retrieve(coordinate().key())); };
  for (auto _ : state) job();
  report(state, bench::side_by_side(5000, job, floor), 1, 1000 + 384 * 4);
}

double write_from(const FractalMemory& memory, std::size_t threads, std::vector<Memory> memories) {
  std::vector<std::thread> writers;
  return bench::seconds([&] {
    for (std::size_t t = 0; t < threads; ++t) {
      writers.emplace_back([&, t] {
        for (std::size_t i = t; i < memories.size(); i += threads) memory.store(memories[i]).value();
      });
    }
    for (std::thread& writer : writers) writer.join();
  });
}

// Group commit: memories a second of 16 writers, against one writer, and against one thread that applies
// batches of 16.
void sixteen_writers(benchmark::State& state) {
  constexpr std::size_t count = 480;
  TwoDatabases two(1000);
  const auto some = [&](double group) {
    std::vector<Memory> memories;
    for (std::size_t i = 0; i < count; ++i) memories.push_back(two.corpus().next(group));
    return memories;
  };
  for (auto _ : state) write_from(two.library(), 16, some(1));
  std::vector<double> sixteen, one, batches;
  for (int round = 0; round < 5; ++round) {
    sixteen.push_back(write_from(two.library(), 16, some(2)));
    one.push_back(write_from(two.library(), 1, some(3)));
    auto memories = some(4);
    batches.push_back(bench::seconds([&] {
      for (std::size_t i = 0; i < count; i += 16) {
        fractal::Batch batch;
        for (std::size_t j = i; j < i + 16; ++j) batch.store(std::move(memories[j]));
        two.library().apply(batch).value();
      }
    }));
  }
  state.counters["memories/s"] = count / bench::median(sixteen);
  state.counters["x_one_writer"] = bench::median(one) / bench::median(sixteen);
  state.counters["x_batches_of_16"] = bench::median(batches) / bench::median(sixteen);
}

// Argument: terms. The floor is FTS5's own query of the same terms, ranked by its bm25().
void keyword_search(benchmark::State& state) {
  TwoDatabases two(20'000);
  const auto terms = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(5);
  std::vector<std::string> words;
  const auto pick = [&] {
    words.clear();
    for (std::size_t i = 0; i < terms; ++i) words.push_back(two.corpus().word(20 + random() % 2000));
  };
  const auto job = [&] {
    std::string question;
    for (const std::string& word : words) question += word + ' ';
    benchmark::DoNotOptimize(
        two.library().search(question, {.top_k = 10, .mode = fractal::SearchMode::keyword}).value());
  };
  // The floor is given the words as they are stored: stemmed by the same tokeniser.
  const auto floor = [&] {
    std::vector<std::string> stored;
    for (const std::string& word : words) {
      Memory memory;
      memory.payload = R"({"text": ")" + word + "\"}";
      stored.push_back(bench::SqliteRows::prepare(memory).words);
    }
    benchmark::DoNotOptimize(two.floor().search(stored, 10));
  };
  pick();
  for (auto _ : state) job();
  std::vector<double> jobs, floors;
  for (int round = 0; round < 200; ++round) {
    pick();
    jobs.push_back(bench::seconds(job));
    floors.push_back(bench::seconds(floor));
  }
  report(state, {bench::median(jobs), bench::median(floors)}, 1, 0);
}

BENCHMARK(store)->ArgName("batch")->Arg(1)->Arg(1000)->Iterations(3)->Unit(benchmark::kMicrosecond);
BENCHMARK(retrieve)->Unit(benchmark::kMicrosecond);
BENCHMARK(sixteen_writers)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(keyword_search)->ArgName("terms")->Arg(1)->Arg(4)->Arg(8)->Unit(benchmark::kMicrosecond);

}  // namespace
