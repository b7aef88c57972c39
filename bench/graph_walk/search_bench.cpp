// The public search() on a real file beside raw hnswlib, in one process: read transaction, freshness check and row
// join included.
//   search_bench [--data FOLDER] [--rows N] [--rounds N] [--db FILE] [--raw FOLDER] [--filters no]
//                [--codes int8|float32|bit] [--background yes]
// --data: vectors.h says what the folder holds; without it the rows are made. --db and --raw: the database and
// hnswlib's graph are kept there and taken from there, and their builds are not timed again.
// Every recall is that of the queries timed, against the exact answers. hnswlib's ef is the least that reaches the
// recall on every second query.
#include "bench/arguments.h"
#include "bench/process_memory.h"
#include "raw_hnswlib.h"
#include "timing.h"
#include "vector_store.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fractal::bench;
using fractal::Filter;
using fractal::FractalMemory;
using fractal::SearchOptions;
using fractal::SearchResult;

constexpr std::size_t k = 10, queries_timed = 500;

// A number in 0..999, for filters: u < 100 leaves about 10 %.
unsigned u_of(std::size_t row) {
  std::uint64_t z = (row + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  return static_cast<unsigned>((z ^ (z >> 31)) % 1000);
}

fractal::Codes codes_of(const std::string& name) {
  return name == "float32" ? fractal::Codes::float32 : name == "bit" ? fractal::Codes::bit : fractal::Codes::int8;
}

FractalMemory open(const std::string& path, fractal::Codes codes, bool background = false) {
  return open_vector_store(path, {.codes = codes, .background = background});
}

void fill(const FractalMemory& memory, const Vectors& vectors) {
  store_rows(memory, vectors, 0, vectors.row_count(), [](std::size_t row) {
    return fmt::format(R"({{"n": {}, "u": {}, "note": "{}"}})", row, u_of(row), std::string(100, 'x'));
  });
}

// From the end of a bulk load to the graph over all of it, made by the thread in the background.
void time_background(const Vectors& vectors, const std::string& path) {
  const auto remove = [&] {
    for (const char* const ending : {"", "-wal", "-shm", "-index"}) std::filesystem::remove_all(path + ending);
  };
  remove();
  {
    const FractalMemory memory = open(path, fractal::Codes::int8, true);
    fill(memory, vectors);
    (void)memory.search(std::span(vectors.query(0), vectors.dimension)).value();
    std::uint64_t covered = 0;
    const double time = seconds([&] {
      while (covered < vectors.row_count() * 10 / 11) {  // what was added last is compared exactly until it is a tenth
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        covered = memory.stats().value().graph_vectors;
      }
    });
    std::printf("graph in the background           %6.1f s, over %llu\n", time,
                static_cast<unsigned long long>(covered));
  }
  remove();
}

struct Arm {
  std::string name;
  SearchOptions options;
};

double share_found(const SearchResult& found, const SearchResult& truth) {
  std::size_t both = 0;
  for (const auto& hit : truth.hits) {
    both += std::any_of(found.hits.begin(), found.hits.end(),
                        [&](const auto& other) { return other.memory.coordinate == hit.memory.coordinate; });
  }
  return truth.hits.empty() ? 1 : static_cast<double>(both) / static_cast<double>(truth.hits.size());
}

class Searches {
 public:
  Searches(const FractalMemory& memory, const Vectors& vectors, int rounds)
      : memory_(memory), vectors_(vectors), rounds_(rounds) {}

  SearchResult search(std::size_t q, const SearchOptions& options) const {
    return memory_.search(std::span(vectors_.query(q), vectors_.dimension), options).value();
  }
  double queries_a_second(const SearchOptions& options, std::size_t queries) const {
    std::vector<double> times;
    for (int round = 0; round < rounds_; ++round) {
      times.push_back(seconds([&] {
        for (std::size_t q = 0; q < queries; ++q) (void)search(q, options);
      }));
    }
    return static_cast<double>(queries) / median(std::move(times));
  }
  void print(const Arm& arm, double floor) const {
    const std::size_t queries = std::min(queries_timed, vectors_.query_count());
    double recall = 0;
    SearchOptions exact = arm.options;
    exact.exact = true;
    std::string plan;
    for (std::size_t q = 0; q < queries; ++q) {
      const SearchResult found = search(q, arm.options);
      recall += share_found(found, search(q, exact));
      plan = found.plan;
    }
    const double qps = queries_a_second(arm.options, queries);
    std::printf("%-34s recall %.4f  %8.0f QPS", arm.name.c_str(), recall / static_cast<double>(queries), qps);
    if (floor > 0) std::printf("  %5.2f x hnswlib", qps / floor);
    std::printf("  %s\n", plan.c_str());
    std::fflush(stdout);
  }
  // Each search with a filter of its own that leaves the same rows: nothing is known from the ones before.
  void print_new_filters(const std::string& name, int below) {
    std::vector<double> times;
    for (int round = 0; round < rounds_; ++round) {
      times.push_back(seconds([&] {
        for (std::size_t q = 0; q < queries_timed / 5; ++q) {
          const Filter filter = Filter::lt("u", below - 1 + 1e-6 * static_cast<double>(++filters_));
          (void)search(q, {.filter = filter, .recall = 0.99, .payloads = false});
        }
      }));
    }
    std::printf("%-34s                %8.0f QPS\n", name.c_str(),
                static_cast<double>(queries_timed / 5) / median(std::move(times)));
  }
  // Queries a second of so many threads, each with queries of its own.
  double together(std::size_t threads, const std::function<void(std::size_t)>& work, std::size_t calls) const {
    std::vector<double> times;
    for (int round = 0; round < rounds_; ++round) {
      times.push_back(seconds([&] {
        std::vector<std::jthread> running;
        for (std::size_t t = 0; t < threads; ++t) {
          running.emplace_back([&, t] {
            for (std::size_t i = 0; i < calls; ++i) work(t * 31 + i);
          });
        }
      }));
    }
    return static_cast<double>(threads * calls) / median(std::move(times));
  }

 private:
  const FractalMemory& memory_;
  const Vectors& vectors_;
  const int rounds_;
  std::size_t filters_ = 0;
};

// hnswlib's queries a second with the least ef that reaches the recall on every second query.
double raw_queries_a_second(RawHnswlib& raw, const Vectors& vectors, double target, int rounds) {
  std::array<std::uint32_t, k> out{};
  const auto recall = [&](std::size_t ef, std::size_t first) {
    std::size_t found = 0, wanted = 0;
    for (std::size_t q = first; q < vectors.query_count(); q += 2, wanted += k) {
      raw.search(vectors.query(q), ef, k, out.data());
      for (const auto row : vectors.nearest[q]) found += std::count(out.begin(), out.end(), row);
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  };
  std::size_t ef = 10;
  while (recall(ef, 0) < target && ef < 2000) ++ef;
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    times.push_back(seconds([&] {
      for (std::size_t q = 1; q < vectors.query_count(); q += 2) raw.search(vectors.query(q), ef, k, out.data());
    }));
  }
  const double qps = static_cast<double>(vectors.query_count() / 2) / median(std::move(times));
  std::printf("%-34s recall %.4f  %8.0f QPS  ef %zu\n", fmt::format("raw hnswlib, recall {:.2f}", target).c_str(),
              recall(ef, 1), qps, ef);
  return qps;
}

std::atomic<std::uint64_t> sink{0};

// Arithmetic without shared data: how two threads scale on this machine just now.
void arithmetic(std::size_t seed) {
  std::uint64_t x = seed;
  for (int i = 0; i < 40'000; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
  if (x == 1) sink = x;
}

void print_threads(const Searches& searches) {
  const auto search = [&](std::size_t i) { (void)searches.search(i % queries_timed, {.payloads = false}); };
  const double scaling = searches.together(2, search, 4000) / searches.together(1, search, 4000);
  const double floor = searches.together(2, arithmetic, 4000) / searches.together(1, arithmetic, 4000);
  std::printf("%-34s %.2f x one, arithmetic %.2f x: %.2f of it\n", "two query threads", scaling, floor,
              scaling / floor);
}

}  // namespace

int main(int count, char** arguments) {
  auto options = options_of(count, arguments);
  const int rounds = options.count("--rounds") != 0 ? std::atoi(options["--rounds"].c_str()) : 7;
  const std::size_t rows =
      options.count("--rows") != 0 ? std::strtoul(options["--rows"].c_str(), nullptr, 10) : 100'000;
  const Vectors vectors =
      options.count("--data") != 0 ? vectors_of_folder(options["--data"]) : clustered_vectors(rows, 1'000);
  const std::string own = (std::filesystem::temp_directory_path() / "fractal_search_bench").string();
  const std::string path = options.count("--db") != 0 ? options["--db"] : own + ".db";

  const fractal::Codes codes = codes_of(options["--codes"]);
  if (options.count("--background") != 0) time_background(vectors, own + "_background.db");
  if (!std::filesystem::exists(path)) {
    const FractalMemory memory = open(path, codes);
    std::printf("load of %zu rows                %6.1f s\n", vectors.row_count(),
                seconds([&] { fill(memory, vectors); }));
    (void)memory.search(std::span(vectors.query(0), vectors.dimension));
    std::printf("graph by maintain()               %6.1f s\n", seconds([&] { memory.maintain().value(); }));
  }
  if (options.count("--codes") != 0) open(path, codes).maintain().value();  // a graph made with others takes these
  std::printf("vectors in this process           %6.1f MB private\n", memory_of_process("RssAnon"));
  ::malloc_trim(0);  // else what comes takes the place of what went
  const double before = memory_of_process("RssAnon");
  FractalMemory memory = open(":memory:", codes);
  const double opening = seconds([&] {
    memory = open(path, codes);
    (void)memory.search(std::span(vectors.query(0), vectors.dimension));
  });
  std::printf("open to first answer              %6.1f ms, graph over %llu\n", opening * 1e3,
              static_cast<unsigned long long>(memory.stats().value().graph_vectors));
  Searches searches(memory, vectors, rounds);
  (void)searches.queries_a_second({.payloads = false}, queries_timed);
  std::printf("private memory while searching    %6.1f MB\n", memory_of_process("RssAnon") - before);

  const auto raw = raw_hnswlib_native(vectors.dimension);
  const std::string file =
      (options.count("--raw") != 0 ? options["--raw"] : own) + "/raw_hnswlib." + std::to_string(vectors.row_count());
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  if (std::filesystem::exists(file)) {
    raw->load(file, vectors.row_count());
  } else {
    raw->build(vectors.rows.data(), vectors.row_count(), 2);
    raw->save(file);
  }
  for (const double target : {0.98, 0.99}) {
    const double floor = raw_queries_a_second(*raw, vectors, target, rounds);
    const auto name = [&](const char* what) { return fmt::format("search, {}, recall {:.2f}", what, target); };
    searches.print({name("ids and scores"), {.recall = target, .payloads = false}}, floor);
    searches.print({name("payloads too"), {.recall = target}}, floor);
  }
  searches.print({"exact", {.exact = true, .payloads = false}}, 0);
  for (const auto& [share, below] : {std::pair{"50 %", 500}, {"20 %", 200}, {"10 %", 100}, {"1 %", 10}, {"0.1 %", 1}}) {
    if (options.count("--filters") != 0) continue;
    searches.print(
        {fmt::format("filter {}", share), {.filter = Filter::lt("u", below), .recall = 0.99, .payloads = false}}, 0);
    searches.print_new_filters(fmt::format("filter {}, never asked before", share), below);
  }
  print_threads(searches);
}
