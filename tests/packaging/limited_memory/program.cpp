// Writes ten times Options::memory_budget under a limit of the system on private memory (RLIMIT_DATA): it gets all of
// it stored, and every answer is right. The library must have been built without sanitizers, which take memory of their
// own.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using fractal::FractalMemory;

constexpr std::uint64_t budget = 32u << 20;
// Beside the budget: the stack of the thread that builds, and what calls, SQLite and the allocator work with.
constexpr std::uint64_t working = 16u << 20;
constexpr std::size_t dimension = 384, rows_of_batch = 500;

std::vector<float> vector_of(std::uint64_t row) {
  std::mt19937_64 random(row * 2 + 1);
  std::vector<float> vector(dimension);
  for (float& x : vector) x = static_cast<float>(random() % 2001) / 1000 - 1;
  return vector;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// In KiB, of /proc/self/status.
std::uint64_t status_of(const std::string& name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

void require(bool holds, const std::string& what) {
  if (holds) return;
  fmt::print("wrong: {}\n", what);
  std::exit(1);
}

// The best of the rows so far, by comparing all.
std::vector<std::pair<double, std::uint64_t>> nearest(const std::vector<float>& query, std::uint64_t rows) {
  std::vector<std::pair<double, std::uint64_t>> all;
  for (std::uint64_t row = 0; row < rows; ++row) {
    all.emplace_back(-cosine(query, vector_of(row)), row);
    std::push_heap(all.begin(), all.end());
    if (all.size() > 10) {
      std::pop_heap(all.begin(), all.end());
      all.pop_back();
    }
  }
  std::sort_heap(all.begin(), all.end());
  return all;
}

// Returns how many of the ten nearest a search as usual finds; an exact one must find all.
std::size_t check(const FractalMemory& memory, std::uint64_t rows, std::uint64_t question) {
  const auto query = vector_of((std::uint64_t{1} << 40) + question);
  const auto expected = nearest(query, rows);
  const auto exact = memory.search(query, {.exact = true, .payloads = false}).value();
  require(exact.matched == rows && exact.hits.size() == 10, fmt::format("{} of {} matched", exact.matched, rows));
  for (std::size_t i = 0; i < 10; ++i) {
    require(exact.hits[i].memory.coordinate == fractal::Coordinate{static_cast<double>(expected[i].second)},
            fmt::format("hit {} of {} rows", i, rows));
  }
  const auto usual = memory.search(query, {.payloads = false}).value();
  require(usual.matched == rows && usual.hits.size() == 10, "a usual search");
  std::size_t found = 0;
  for (const auto& hit : usual.hits) {
    for (const auto& [score, row] : expected) {
      found += hit.memory.coordinate == fractal::Coordinate{static_cast<double>(row)} ? 1 : 0;
    }
  }
  return found;
}

}  // namespace

int main() {
  const std::string folder =
      (std::filesystem::temp_directory_path() / fmt::format("limited_memory_{}", status_of("Pid"))).string();
  std::filesystem::create_directories(folder);
  const std::uint64_t before = status_of("VmData") * 1024;
  const rlimit limit{before + budget + working, before + budget + working};
  require(setrlimit(RLIMIT_DATA, &limit) == 0, "setrlimit");
  std::uint64_t stored = 0, rows = 0, most_private = 0;
  std::size_t found = 0, asked = 0;
  {
    fractal::Options options{.path = folder + "/memory.db", .durability = fractal::Durability::normal};
    options.memory_budget = budget;
    options.embedder = nullptr;
    const auto memory = FractalMemory::open(options).value();
    const std::string text(900, 'x');
    while (stored < 10 * budget) {
      fractal::Batch batch;
      for (std::size_t i = 0; i < rows_of_batch; ++i, ++rows) {
        const std::string payload = fmt::format(R"({{"n":{},"blob":"{}"}})", rows, text);
        stored += payload.size() + dimension * sizeof(float);
        batch.store({.coordinate = {static_cast<double>(rows)}, .payload = payload, .embedding = vector_of(rows)});
      }
      memory.apply(batch).value();
      if (rows % 5'000 == 0) {
        found += check(memory, rows, rows);
        ++asked;
      }
      most_private = std::max(most_private, status_of("RssAnon") + status_of("RssShmem"));
    }
    found += check(memory, rows, 1);
    ++asked;
    require(memory.verify().value().ok(), "verify()");
    for (const auto& problem : memory.health().value().problems) fmt::print("{}\n", problem);
  }
  std::filesystem::remove_all(folder);
  const double recall = static_cast<double>(found) / (10.0 * static_cast<double>(asked));
  fmt::print("{} memories, {} MB written with a budget of {} MB; at most {} MB private; recall {:.3f}\n", rows,
             stored >> 20, budget >> 20, most_private >> 10, recall);
  require(recall > 0.9, "recall");
  require(most_private << 10 <= budget + working, "private memory");
}
