// Writers update the same memories while readers of two processes search and generations come and go: in each
// answer each memory is there exactly once.
#include "tests/hnsw/clustered_vectors.h"
#include "tests/temporary_folder.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

using fractal::Coordinate;
using fractal::FractalMemory;

namespace {

constexpr std::size_t dimension = 16, memories = 1000;
constexpr std::size_t writers = 4, readers = 4;
#ifdef __SANITIZE_THREAD__
// Building takes too long there: what counts is that no race is seen.
constexpr std::uint64_t wanted_swaps = 0;
constexpr auto shortest = std::chrono::seconds(20);
#else
constexpr std::uint64_t wanted_swaps = 3;
constexpr auto shortest = std::chrono::seconds(1);
#endif
constexpr auto longest = std::chrono::seconds(400);

fractal::Options options(const std::string& path) {
  fractal::Options options{.path = path, .durability = fractal::Durability::off};
  options.embedder = nullptr;
  options.busy_timeout = std::chrono::seconds(60);
  options.index = {.graph_from = 500, .m = 6, .ef_construction = 32};
  return options;
}

Coordinate at(std::size_t i) { return {static_cast<double>(i)}; }

// Empty if the answer is right.
std::string fault(const FractalMemory& memory, const std::vector<float>& question, std::size_t k) {
  const auto found = memory.search(question, {.top_k = k, .payloads = false});
  if (!found) return found.error().message;
  if (found->hits.size() != std::min(k, memories)) return fmt::format("{} hits of {}", found->hits.size(), k);
  if (found->matched != memories) return fmt::format("matched {}", found->matched);
  std::set<Coordinate> seen;
  for (const auto& hit : found->hits) {
    if (!seen.insert(hit.memory.coordinate).second) return hit.memory.coordinate.to_string() + " twice";
  }
  return {};
}

std::string read_until(const FractalMemory& memory, std::uint64_t seed, const std::atomic<bool>& stop,
                       std::atomic<std::uint64_t>& asked) {
  fractal::testing::ClusteredVectors source(seed, dimension, 8);
  while (!stop) {
    for (const std::size_t k : {10U, 2000U}) {
      if (auto wrong = fault(memory, source.next().first, k); !wrong.empty()) return wrong;
      ++asked;
    }
  }
  return {};
}

// The second process, until the pipe is closed: its exit status says whether all its answers were right.
[[noreturn]] void be_reader(const std::string& path, int pipe_end) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> asked{0};
  auto memory = FractalMemory::open(options(path));
  if (!memory) _exit(2);
  std::thread waiter([&] {
    char ignored = 0;
    while (read(pipe_end, &ignored, 1) > 0) {}
    stop = true;
  });
  const std::string wrong = read_until(*memory, 77, stop, asked);
  if (!wrong.empty()) fmt::print(stderr, "second process: {}\n", wrong);
  waiter.join();
  _exit(wrong.empty() && asked > 0 ? 0 : 1);
}

}  // namespace

TEST_CASE("each memory is in every answer exactly once while all of them change") {
  const fractal::testing::TemporaryFolder folder;
  const std::string path = folder.file("agent.db");
  {
    const FractalMemory memory = FractalMemory::open(options(path)).value();
    fractal::testing::ClusteredVectors source(1, dimension, 8);
    fractal::Batch batch;
    for (std::size_t i = 0; i < memories; ++i) batch.store({.coordinate = at(i), .embedding = source.next().first});
    REQUIRE(memory.apply(batch).has_value());
  }
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    be_reader(path, ends[0]);
  }
  close(ends[0]);

  const FractalMemory memory = FractalMemory::open(options(path)).value();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> asked{0}, written{0};
  std::vector<std::string> faults(writers + readers);
  std::vector<std::thread> threads;
  threads.reserve(writers + readers);
  for (std::size_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      fractal::testing::ClusteredVectors source(100 + w, dimension, 8);
      while (!stop && faults[w].empty()) {
        const std::size_t i = source.random()() % memories;
        const auto done =
            memory.update(at(i), {.payload = fmt::format(R"({{"by": {}}})", w), .embedding = source.next().first});
        if (!done) faults[w] = done.error().message;
        ++written;
      }
    });
  }
  for (std::size_t r = 0; r < readers; ++r) {
    threads.emplace_back([&, r] { faults[writers + r] = read_until(memory, 200 + r, stop, asked); });
  }
  std::uint64_t swaps = 0, last = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto running = [begin] { return std::chrono::steady_clock::now() - begin; };
  while (running() < shortest || (swaps < wanted_swaps && running() < longest)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const auto stats = memory.stats();
    if (!stats || stats->graph_vectors == 0) continue;
    // Rows only ever become more, but for a new generation, which is without the dead.
    if (stats->index_vectors < last) ++swaps;
    last = stats->index_vectors;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  for (const std::string& fault : faults) CHECK(fault == "");
  close(ends[1]);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  MESSAGE(fmt::format("{} answers, {} updates, {} generations swapped in", asked.load(), written.load(), swaps));
  CHECK(asked > 0);
  CHECK(written > 0);
  for (const auto& problem : memory.health().value().problems) MESSAGE(problem);
  CHECK(swaps >= wanted_swaps);
}
