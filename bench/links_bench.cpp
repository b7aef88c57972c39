// Walks over a large graph beside the same walks over bare arrays: adjacency in two arrays, nodes as numbers, nothing
// looked up, no moment held, no coordinates made.
//   links_bench [--links FILE] [--rounds N]
// FILE: a line for each link: from, to (whole numbers), type, parted by tabs. Without it the graph is made: 117,659
// coordinates, 364,543 links of 26 types, few of them with many.
#include "bench/arguments.h"
#include "bench/timing.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace {

using fractal::Coordinate;
using fractal::FractalMemory;
using fractal::bench::side_by_side;

struct Link {
  std::uint32_t from, to;
  std::string type;
};

std::vector<Link> links_of(const std::string& file) {
  std::vector<Link> links;
  std::ifstream in(file);
  for (std::string from, to, type;
       std::getline(in, from, '\t') && std::getline(in, to, '\t') && std::getline(in, type);) {
    links.push_back({static_cast<std::uint32_t>(std::stoul(from)), static_cast<std::uint32_t>(std::stoul(to)), type});
  }
  return links;
}

std::vector<Link> made_links() {
  constexpr std::uint32_t nodes = 117'659, count = 364'543;
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform;
  std::vector<Link> links;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto far = static_cast<std::uint32_t>(nodes * std::pow(uniform(random), 4));
    links.push_back({static_cast<std::uint32_t>(random() % nodes), far, fmt::format("type{}", random() % 26)});
  }
  return links;
}

// Outgoing links as bare arrays.
class Arrays {
 public:
  explicit Arrays(const std::vector<Link>& links) {
    for (const Link& link : links) nodes_ = std::max({nodes_, link.from + 1, link.to + 1});
    first_.resize(nodes_ + 1);
    for (const Link& link : links) ++first_[link.from + 1];
    for (std::uint32_t i = 0; i < nodes_; ++i) first_[i + 1] += first_[i];
    to_.resize(links.size());
    auto next = first_;
    for (const Link& link : links) to_[next[link.from]++] = link.to;
    seen_.resize(nodes_);
  }
  std::uint32_t nodes() const { return nodes_; }

  // Nodes within so many hops, or up to the goal.
  std::size_t reach(std::uint32_t start, std::size_t hops, std::uint32_t goal = ~0U) {
    ++now_;
    seen_[start] = now_;
    frontier_.assign(1, start);
    std::size_t count = 0;
    for (std::size_t hop = 0; hop < hops && !frontier_.empty(); ++hop) {
      next_.clear();
      for (const std::uint32_t node : frontier_) {
        for (std::uint32_t i = first_[node]; i < first_[node + 1]; ++i) {
          if (seen_[to_[i]] == now_) continue;
          seen_[to_[i]] = now_;
          next_.push_back(to_[i]);
          if (to_[i] == goal) return hop + 1;
        }
      }
      count += next_.size();
      std::swap(frontier_, next_);
    }
    return goal == ~0U ? count : 0;
  }

 private:
  std::uint32_t nodes_ = 0, now_ = 0;
  std::vector<std::uint32_t> first_, to_, seen_, frontier_, next_;
};

std::size_t sum(const std::vector<std::uint64_t>& counts) {
  std::size_t all = 0;
  for (const auto count : counts) all += count;
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  auto options = fractal::bench::options_of(count, arguments);
  const int rounds = options.contains("--rounds") ? std::atoi(options["--rounds"].c_str()) : 5;
  const auto links = options.contains("--links") ? links_of(options["--links"]) : made_links();
  const auto folder = std::filesystem::temp_directory_path() / "fractal_links_bench";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  {
    fractal::Options wanted{.path = (folder / "links.db").string(), .durability = fractal::Durability::normal};
    wanted.embedder = nullptr;
    wanted.audit.writes = false;
    const auto memory = FractalMemory::open(wanted).value();
    const auto at = [](std::uint32_t node) { return Coordinate{static_cast<double>(node)}; };
    for (std::size_t begin = 0; begin < links.size(); begin += 20'000) {
      fractal::Batch batch;
      for (std::size_t i = begin; i < std::min(links.size(), begin + 20'000); ++i) {
        batch.link({.from = at(links[i].from), .to = at(links[i].to), .type = links[i].type});
      }
      memory.apply(batch).value();
    }
    Arrays arrays(links);
    std::mt19937 random(1);
    std::vector<std::uint32_t> starts(20'000);
    for (auto& start : starts) start = static_cast<std::uint32_t>(random() % arrays.nodes());

    std::size_t walks = 0;
    const double loading = fractal::bench::seconds([&] {
      while (memory.stats().value().links_in_memory == 0) {
        (void)memory.reach(at(starts[walks++ % starts.size()]), {.hops = 3}).value();
      }
    });
    const auto stats = memory.stats().value();
    std::printf("%llu links in memory after %zu walks, %.2f s; %.1f MB\n", static_cast<unsigned long long>(stats.links),
                walks, loading, static_cast<double>(stats.links_bytes) / 1e6);
    std::size_t ours = 0, floors = 0;
    const auto compare = [&](const char* name, std::size_t calls, const auto& job, const auto& floor) {
      ours = floors = 0;
      const auto pair = side_by_side(
          rounds,
          [&] {
            for (std::size_t i = 0; i < calls; ++i) ours += job(starts[i], starts[starts.size() - 1 - i]);
          },
          [&] {
            for (std::size_t i = 0; i < calls; ++i) floors += floor(starts[i], starts[starts.size() - 1 - i]);
          });
      const auto n = static_cast<double>(calls);
      std::printf("%-46s %9.0f/s, bare arrays %9.0f/s, %6.2f x  (%.1f and %.1f a walk)\n", name, n / pair.job,
                  n / pair.floor, pair.ratio(), static_cast<double>(ours) / (n * rounds),
                  static_cast<double>(floors) / (n * rounds));
    };
    const auto bare = [&](std::uint32_t start, std::uint32_t) { return arrays.reach(start, 3); };
    compare(
        "three hops counted", 20'000,
        [&](std::uint32_t start, std::uint32_t) { return sum(memory.reach(at(start), {.hops = 3}).value()); }, bare);
    const auto snapshot = memory.snapshot().value();
    compare(
        "the same within a snapshot", 20'000,
        [&](std::uint32_t start, std::uint32_t) { return sum(snapshot.reach(at(start), {.hops = 3}).value()); }, bare);
    compare(
        "the nearest 100 within three hops", 5'000,
        [&](std::uint32_t start, std::uint32_t) { return memory.neighbors(at(start), {.hops = 3}).value().size(); },
        bare);
    compare(
        "shortest path, 32 hops at most", 1'000,
        [&](std::uint32_t start, std::uint32_t goal) {
          const auto way = memory.path(at(start), at(goal), {.max_hops = 32});
          return way ? way->size() : 0;
        },
        [&](std::uint32_t start, std::uint32_t goal) { return arrays.reach(start, 32, goal); });
  }
  std::filesystem::remove_all(folder);
}
