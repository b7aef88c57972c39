// Many spaces in one file: what opening costs, a first search in a space, and memory; and what a tenant that writes and
// searches flat out costs another one.
//   spaces_bench [--spaces N] [--memory-budget MIB] [--keep FILE]
// 100,000 spaces of 20 memories of 64 dimensions unless said otherwise. --keep: the file is made there if need be, and
// stays.
#include "bench/arguments.h"
#include "bench/process_memory.h"
#include "bench/timing.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using fractal::FractalMemory;
using fractal::Space;
using fractal::bench::median;
using fractal::bench::memory_of_process;
using fractal::bench::seconds;

constexpr std::size_t rows = 20, dimension = 64;

std::vector<float> random_vector(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& x : vector) x = normal(random);
  return vector;
}

Space numbered(std::size_t i) {
  return {.tenant = fmt::format("tenant{}", i / 10), .name = fmt::format("notes{}", i % 10)};
}

fractal::Options options_for(const std::string& path, std::uint64_t memory_budget) {
  fractal::Options options{.path = path, .durability = fractal::Durability::normal};
  options.embedder = nullptr;
  options.audit.writes = false;
  options.memory_budget = memory_budget;
  return options;
}

void fill(const std::string& path, std::size_t spaces) {
  const auto memory = FractalMemory::open(options_for(path, 64u << 20)).value();
  std::mt19937_64 random(3);
  for (std::size_t i = 0; i < spaces; ++i) {
    fractal::Batch batch;
    for (std::size_t row = 0; row < rows; ++row) {
      batch.store({.coordinate = {static_cast<double>(row), 1},
                   .payload = fmt::format(R"({{"text":"note {} of tenant {}"}})", row, i),
                   .embedding = random_vector(random)});
      if (row > 0) batch.link({.from = {static_cast<double>(row), 1}, .to = {static_cast<double>(row - 1), 1}});
    }
    memory.in(numbered(i)).apply(batch).value();
  }
  memory.maintain().value();
}

// In a process of its own, whose memory does not count here.
void fill_apart(const std::string& path, std::size_t spaces) {
  const pid_t child = ::fork();
  if (child == 0) {
    fill(path, spaces);
    std::_Exit(0);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

double at_share(std::vector<double>& times, double share) {
  std::sort(times.begin(), times.end());
  return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
}

void visit_spaces(const std::string& path, std::size_t spaces, std::uint64_t budget) {
  std::vector<double> opens, first, cold, warm, stats;
  for (int round = 0; round < 5; ++round) {
    std::optional<FractalMemory> memory;
    opens.push_back(seconds([&] { memory.emplace(FractalMemory::open(options_for(path, budget)).value()); }));
  }
  const auto memory = FractalMemory::open(options_for(path, budget)).value();
  const double after_open = memory_of_process("RssAnon");
  std::mt19937_64 random(9);
  double most = 0;
  std::uint64_t most_counted = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(spaces, 20'000); ++i) {
    const auto space = memory.in(numbered(random() % spaces));
    const auto query = random_vector(random);
    const auto search = [&] { (void)space.search(query).value(); };
    cold.push_back(seconds(search));
    warm.push_back(seconds(search));
    stats.push_back(seconds([&] { (void)space.stats().value(); }));
    if (i % 100 == 0) {
      most = std::max(most, memory_of_process("RssAnon"));
      most_counted = std::max(most_counted, space.stats().value().memory_bytes);
    }
  }
  fmt::print(
      "open {:.1f} ms; {} spaces searched: first {:.3f} ms (p99 {:.3f}, most {:.3f}), again {:.3f} ms; stats() "
      "{:.3f} ms\n",
      1e3 * median(opens), cold.size(), 1e3 * median(cold), 1e3 * at_share(cold, 0.99), 1e3 * at_share(cold, 1),
      1e3 * median(warm), 1e3 * median(stats));
  fmt::print(
      "private memory {:.1f} MiB after open, at most {:.1f} MiB; counted at most {:.1f} MiB, budget {:.0f} MiB\n",
      after_open, most, static_cast<double>(most_counted) / (1 << 20), static_cast<double>(budget) / (1 << 20));
}

// A tenant that asks and stores now and then; durable.
class Quiet {
 public:
  explicit Quiet(FractalMemory space) : space_(std::move(space)) {}

  struct Tails {
    double search, store, any;  // p99, seconds
  };
  Tails measure(const std::string& name) {
    std::vector<double> searches, stores;
    for (int i = 0; i < 6000; ++i) {
      fractal::Memory one{.coordinate = {static_cast<double>(i % 20), 1}, .payload = R"({"text":"quiet"})"};
      one.embedding = random_vector(random_);
      searches.push_back(seconds([&] { (void)space_.search(one.embedding).value(); }));
      if (i % 4 == 0) stores.push_back(seconds([&] { space_.store(one).value(); }));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::vector<double> all(searches);
    all.insert(all.end(), stores.begin(), stores.end());
    const Tails tails{at_share(searches, 0.99), at_share(stores, 0.99), at_share(all, 0.99)};
    fmt::print("{}: search {:.3f} ms, p99 {:.3f}; store {:.3f} ms, p99 {:.3f}; p99 of all {:.3f}\n", name,
               1e3 * median(searches), 1e3 * tails.search, 1e3 * median(stores), 1e3 * tails.store, 1e3 * tails.any);
    return tails;
  }

 private:
  FractalMemory space_;
  std::mt19937_64 random_{4};
};

// A tenant that does nothing but store and search, on two threads, while it lives.
class Loud {
 public:
  Loud(const FractalMemory& space, std::size_t batch_size)
      : space_(space), writer_([this, batch_size] { write(batch_size); }), searcher_([this] { search(); }) {}
  ~Loud() {
    stop_ = true;
    writer_.join();
    searcher_.join();
    fmt::print("  the loud one: {} batches, {} searches\n", batches_, searches_);
  }
  Loud(const Loud&) = delete;
  Loud& operator=(const Loud&) = delete;

 private:
  void write(std::size_t batch_size) {
    std::mt19937_64 random(5);
    for (std::size_t place = 0; !stop_; ++batches_) {
      fractal::Batch batch;
      for (std::size_t row = 0; row < batch_size; ++row, ++place) {
        batch.store({.coordinate = {static_cast<double>(place % 30'000)},
                     .payload = R"({"text":"as loud as can be"})",
                     .embedding = random_vector(random)});
      }
      space_.apply(batch).value();
    }
  }
  void search() {
    std::mt19937_64 random(6);
    for (; !stop_; ++searches_) (void)space_.search(random_vector(random)).value();
  }

  const FractalMemory& space_;
  std::atomic<bool> stop_{false};
  std::uint64_t batches_ = 0, searches_ = 0;
  std::thread writer_, searcher_;
};

void be_fair(const std::string& path) {
  fractal::Options options = options_for(path, 0);
  options.durability = fractal::Durability::full;
  const auto memory = FractalMemory::open(options).value();
  const auto loud = memory.in({.tenant = "loud", .name = "loud"});
  Quiet quiet(memory.in(numbered(1)));
  for (const std::size_t batch_size : {1, 100}) {
    const auto alone = quiet.measure("a tenant alone");
    const Loud beside(loud, batch_size);
    const auto then = quiet.measure(fmt::format("beside one that stores {} at a time and searches", batch_size));
    fmt::print("  p99 of its search x {:.2f}, of its store x {:.2f}, of all it does x {:.2f}\n",
               then.search / alone.search, then.store / alone.store, then.any / alone.any);
  }
}

}  // namespace

int main(int count, char** arguments) {
  auto options = fractal::bench::options_of(count, arguments);
  const std::size_t spaces = fractal::bench::number_of(options, "--spaces", 100'000);
  const std::string path = options.contains("--keep")
                               ? options["--keep"]
                               : (std::filesystem::temp_directory_path() / "fractal_spaces.db").string();
  const auto remove = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    std::filesystem::remove_all(path + "-index");
  };
  if (!options.contains("--keep")) remove();
  if (!std::filesystem::exists(path)) {
    const double taken = seconds([&] { fill_apart(path, spaces); });
    fmt::print("{} spaces of {} memories: filled in {:.0f} s, {} MiB\n", spaces, rows, taken,
               std::filesystem::file_size(path) >> 20);
  }
  visit_spaces(path, spaces, fractal::bench::number_of(options, "--memory-budget", 16) << 20);
  be_fair(path);
  if (!options.contains("--keep")) remove();
}
