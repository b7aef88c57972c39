// The graph index beside raw hnswlib, in one process: the ten nearest rows with their scores, one thread. Filtered, too,
// beside a float32 scan of a list of what is allowed.
//   graph_walk_bench [--data FOLDER] [--rows N] [--m M] [--ef-construction EF] [--rounds N] [--keep FOLDER]
// --data: vectors.h says what the folder holds; without it the rows are made. --keep: both graphs are saved
// there and taken from there, and what is taken is not timed again; --again T builds ours with T threads nevertheless.
// --profile N [--set NAME]: nothing but N times all queries by ours, for a profiler.
// Searches are timed by the thread's own clock; builds by the wall's and by the process's.
// Each arm's ef is the least that reaches the recall on every second query; time and recall are those of the others.
#include "bench/arguments.h"
#include "raw_hnswlib.h"
#include "timing.h"
#include "vectors.h"

#include "backends/hnsw/graph.h"
#include "backends/hnsw/hnsw_index.h"
#include "src/vector_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fractal::bench;
using fractal::VectorChunk;
using fractal::hnsw::CodeRows;
using fractal::hnsw::Graph;

using Ten = std::array<std::uint32_t, 10>;

// By the clock of this thread, or of the process: what else the machine does counts as little as possible.
template <class Work> double cpu_seconds(clockid_t clock, const Work& work) {
  const auto now = [clock] {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  const double begin = now();
  work();
  return now() - begin;
}

struct BuildTime {
  double wall = 0, cpu = 0;
};
template <class Work> BuildTime build_time(const Work& work) {
  BuildTime time;
  time.cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID, [&] { time.wall = seconds(work); });
  return time;
}

// Rows as an index holds them: chunks one behind the other.
class Index {
 public:
  explicit Index(const Vectors& vectors)
      : vectors_(vectors),
        block_rows_(VectorChunk::block_rows(vectors.dimension)),
        block_bytes_(fractal::ChunkLayout(block_rows_, vectors.dimension).bytes) {
    const std::size_t count = vectors.row_count(), blocks = (count + block_rows_ - 1) / block_rows_;
    memory_ = static_cast<std::byte*>(::operator new (blocks* block_bytes_, std::align_val_t{64}));
    for (std::size_t i = 0; i < blocks; ++i) {
      auto chunk = std::make_unique<VectorChunk>(block_rows_, vectors.dimension);
      for (std::size_t row = i * block_rows_; row < std::min(count, (i + 1) * block_rows_); ++row) {
        chunk->write(row % block_rows_, row, 1, {vectors.row(row), vectors.dimension},
                     fractal::kernels::dot(vectors.row(row), vectors.row(row), vectors.dimension),
                     fractal::Metric::cosine);
        scales_.push_back(chunk->scales[row % block_rows_]);
      }
      std::copy(chunk->image(), chunk->image() + block_bytes_, memory_ + i * block_bytes_);
    }
    rows_ = {reinterpret_cast<const std::uint8_t*>(memory_),
             block_bytes_,
             static_cast<unsigned>(std::countr_zero(block_rows_)),
             fractal::code_stride(vectors.dimension),
             count,
             scales_.data(),
             nullptr};
    codes_.resize(rows_.stride + 64);
  }
  ~Index() { ::operator delete (memory_, std::align_val_t{64}); }
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  BuildTime build(std::size_t threads, const fractal::hnsw::GraphParameters& parameters) {
    return build_time([&] { graph_ = Graph::build(rows_, {.parameters = parameters, .threads = threads}).value(); });
  }

  void save(const std::string& file) const {
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(graph_->image().data()),
               static_cast<std::streamsize>(graph_->image().size()));
  }
  bool load(const std::string& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in) return false;
    const auto bytes = static_cast<std::size_t>(in.tellg());
    const auto image = std::make_shared<std::vector<std::byte>>(bytes + 64);
    void* begin = image->data();
    std::size_t room = image->size();
    auto* const aligned = static_cast<std::byte*>(std::align(64, bytes, begin, room));
    in.seekg(0).read(reinterpret_cast<char*>(aligned), static_cast<std::streamsize>(bytes));
    std::printf("open          ours %31.2f ms\n", 1e3 * seconds([&] {
                                                    graph_ = Graph::open({aligned, bytes}, rows_.count, image).value();
                                                  }));
    return true;
  }

  // Codes the query, walks, and rescores 20 with the vectors.
  void search(const float* query, std::size_t ef, Ten& out, std::array<double, 10>& scores) {
    const std::size_t dimension = vectors_.dimension;
    auto* const codes =
        reinterpret_cast<std::int8_t*>((reinterpret_cast<std::uintptr_t>(codes_.data()) + 63) / 64 * 64);
    const double length = std::sqrt(fractal::kernels::dot(query, query, dimension));
    const auto terms = fractal::encode({query, dimension}, 1 / length, 1, codes);
    fractal::hnsw::WalkQuery walk;
    walk.codes = {codes, rows_.stride, 128 * std::accumulate(codes, codes + rows_.stride, 0)};
    walk.scale = terms.scale;
    walk.ef = ef;
    walk.keep = 20;
    graph_->walk(rows_, walk, walked_);
    visited += walked_.visited;
    best_.clear();
    for (const auto& entry : walked_.entries) {
      const char* const vector = reinterpret_cast<const char*>(this->vector(entry.node));
      for (std::size_t j = 0; j < std::min<std::size_t>(dimension * sizeof(float), 512); j += 64) {
        __builtin_prefetch(vector + j);
      }
    }
    for (const auto& entry : walked_.entries) {
      best_.emplace_back(-fractal::kernels::dot(query, vector(entry.node), dimension), entry.node);
    }
    std::sort(best_.begin(), best_.end());
    for (std::size_t i = 0; i < std::min<std::size_t>(10, best_.size()); ++i) {
      out[i] = best_[i].second;
      scores[i] = -best_[i].first;
    }
  }

  const Graph& graph() const { return *graph_; }
  std::size_t visited = 0;

 private:
  const float* vector(std::uint32_t row) const {
    const fractal::ChunkLayout layout(block_rows_, vectors_.dimension);
    return reinterpret_cast<const float*>(memory_ + row / block_rows_ * block_bytes_ + layout.vectors) +
           row % block_rows_ * vectors_.dimension;
  }

  const Vectors& vectors_;
  std::size_t block_rows_, block_bytes_;
  std::byte* memory_ = nullptr;
  std::vector<float> scales_;
  CodeRows rows_;
  std::shared_ptr<const Graph> graph_;
  std::vector<std::int8_t> codes_;
  fractal::hnsw::Walked walked_;
  std::vector<std::pair<double, std::uint32_t>> best_;
};

struct Arm {
  std::string name;
  std::string instruction_set;  // of ours
  std::function<void(std::size_t query, std::size_t ef, Ten& out)> search;
  std::size_t ef = 0;
  std::vector<double> times{};
};

// Over the queries of one half.
double recall(const Vectors& vectors, const Arm& arm, std::size_t half, std::size_t ef) {
  std::size_t found = 0, wanted = 0;
  for (std::size_t q = half; q < vectors.query_count(); q += 2) {
    Ten out{};
    arm.search(q, ef, out);
    for (const std::uint32_t row : vectors.nearest[q]) {
      found += static_cast<std::size_t>(std::count(out.begin(), out.end(), row));
    }
    wanted += 10;
  }
  return static_cast<double>(found) / static_cast<double>(wanted);
}

// 0: not even with the most.
std::size_t least_ef(const Vectors& vectors, const Arm& arm, double target) {
  std::size_t low = 10, high = 20;
  for (; recall(vectors, arm, 0, high) < target; high *= 2) {
    if (high > 2'000) return 0;
    low = high + 1;
  }
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (recall(vectors, arm, 0, middle) >= target) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

void compare(const Vectors& vectors, std::vector<Arm>& arms, Index& index, double target, int rounds) {
  for (Arm& arm : arms) {
    fractal::kernels::use_instruction_set(arm.instruction_set);
    arm.ef = least_ef(vectors, arm, target);
    arm.times.clear();
  }
  const std::size_t queries = vectors.query_count() / 2;
  for (int round = 0; round < rounds; ++round) {
    for (Arm& arm : arms) {
      if (arm.ef == 0) continue;
      fractal::kernels::use_instruction_set(arm.instruction_set);
      Ten out{};
      arm.times.push_back(cpu_seconds(CLOCK_THREAD_CPUTIME_ID, [&] {
        for (std::size_t q = 1; q < vectors.query_count(); q += 2) arm.search(q, arm.ef, out);
      }));
    }
  }
  const double floor = static_cast<double>(queries) / median(arms[0].times);
  for (Arm& arm : arms) {
    if (arm.ef == 0) {
      std::printf("recall>=%.2f  %-28s not reached\n", target, arm.name.c_str());
      continue;
    }
    fractal::kernels::use_instruction_set(arm.instruction_set);
    index.visited = 0;
    const double reached = recall(vectors, arm, 1, arm.ef);
    const double per_second = static_cast<double>(queries) / median(arm.times);
    std::printf("recall>=%.2f  %-28s ef %4zu  recall %.4f  %8.0f QPS  %5.2f x", target, arm.name.c_str(), arm.ef,
                reached, per_second, per_second / floor);
    if (index.visited > 0) {
      std::printf("  %6.0f rows a query", static_cast<double>(index.visited) / static_cast<double>(queries));
    }
    std::printf("\n");
  }
  fractal::kernels::use_instruction_set("");
  std::fflush(stdout);
}

// A filter's rows by the index, which was given them as ids, and by a float32 scan of a list of them.
void compare_filtered(const Vectors& vectors, RawHnswlib& raw, int rounds) {
  fractal::SpaceRecord space;
  space.number = 1;
  space.dimension = vectors.dimension;
  space.vectors = vectors.row_count();
  std::vector<fractal::VectorChange> changes;
  const auto id = [](std::size_t row) { return fractal::first_id(1) + row; };
  for (std::size_t i = 0; i < vectors.row_count(); ++i) {
    changes.push_back({id(i), ++space.sequence, {vectors.row(i), vectors.dimension}});
  }
  const auto index = fractal::hnsw::make_index({.background = false, .files = false}, {});
  index->apply(space, 0, changes).value();
  index->build(space.number, false, {}).value();
  for (const std::size_t every : {10, 100, 1000}) {
    std::vector<std::uint32_t> rows;
    std::vector<fractal::MemoryId> ids;
    std::mt19937_64 random(every);
    for (std::uint32_t i = 0; i < vectors.row_count(); ++i) {
      if (random() % every != 0) continue;
      rows.push_back(i);
      ids.push_back(id(i));
    }
    fractal::VectorQuery query{.as_of = space.sequence,
                               .allowed = std::make_shared<const std::vector<fractal::MemoryId>>(std::move(ids)),
                               .recall = 0.995};
    std::size_t found = 0;
    Ten out{};
    std::string plan;
    for (std::size_t q = 0; q < vectors.query_count(); ++q) {
      query.vector = {vectors.query(q), vectors.dimension};
      raw.scan(vectors.query(q), vectors.rows.data(), rows.data(), rows.size(), out.size(), out.data());
      const auto hits = index->search(space, query).value();
      for (const auto& hit : hits.entries) found += std::count(out.begin(), out.end(), hit.id - id(0)) > 0 ? 1 : 0;
      plan = hits.plan;
    }
    std::vector<double> ours, floor;
    for (int round = 0; round < rounds; ++round) {
      ours.push_back(cpu_seconds(CLOCK_THREAD_CPUTIME_ID, [&] {
        for (std::size_t q = 0; q < vectors.query_count(); ++q) {
          query.vector = {vectors.query(q), vectors.dimension};
          (void)index->search(space, query).value();
        }
      }));
      floor.push_back(cpu_seconds(CLOCK_THREAD_CPUTIME_ID, [&] {
        for (std::size_t q = 0; q < vectors.query_count(); ++q) {
          raw.scan(vectors.query(q), vectors.rows.data(), rows.data(), rows.size(), out.size(), out.data());
        }
      }));
    }
    const auto queries = static_cast<double>(vectors.query_count());
    std::printf("%6zu rows allowed  recall %.4f  %8.0f QPS, float32 scan of the list %8.0f QPS  %5.2f x  %s\n",
                rows.size(), static_cast<double>(found) / (queries * 10), queries / median(ours),
                queries / median(floor), median(floor) / median(ours), plan.c_str());
  }
}

}  // namespace

int main(int count, char** arguments) {
  auto options = options_of(count, arguments);
  const auto number = [&](const char* name, std::size_t otherwise) {
    return options.count(name) != 0 ? std::strtoul(options[name].c_str(), nullptr, 10) : otherwise;
  };
  Vectors vectors = options.count("--data") != 0 ? vectors_of_folder(options["--data"])
                                                 : clustered_vectors(number("--rows", 100'000), 1'000);
  const fractal::hnsw::GraphParameters parameters{
      static_cast<std::uint32_t>(number("--m", raw_m)),
      static_cast<std::uint32_t>(number("--ef-construction", raw_ef_construction))};
  std::printf("%zu rows, %zu queries, dimension %zu, M %u, efConstruction %u, %s\n", vectors.row_count(),
              vectors.query_count(), vectors.dimension, parameters.m, parameters.ef_construction,
              fractal::kernels::instruction_set().c_str());

  const auto native = raw_hnswlib_native(vectors.dimension), plain = raw_hnswlib_plain(vectors.dimension);
  const bool keeps = options.count("--keep") != 0;
  const std::string file = (keeps ? options["--keep"] : std::filesystem::temp_directory_path().string()) +
                           "/raw_hnswlib." + std::to_string(vectors.row_count());
  if (!keeps || !std::filesystem::exists(file)) {
    const BuildTime time = build_time([&] { native->build(vectors.rows.data(), vectors.row_count(), 2); });
    std::printf("build         hnswlib float32, native     2 threads %6.2f s, %6.2f s of processors\n", time.wall,
                time.cpu);
    native->save(file);
  } else {
    native->load(file, vectors.row_count());
  }
  plain->load(file, vectors.row_count());
  if (!keeps) std::filesystem::remove(file);

  Index index(vectors);
  const std::string own_file = file + ".ours." + std::to_string(parameters.m);
  if (!keeps || options.count("--again") != 0 || !index.load(own_file)) {
    for (const std::size_t threads : {1, 2}) {
      if (options.count("--again") != 0 && threads != number("--again", 1)) continue;
      const BuildTime time = index.build(threads, parameters);
      std::printf(
          "build         ours, int8                  %zu threads %6.2f s, %6.2f s of processors  unreachable %zu\n",
          threads, time.wall, time.cpu, index.graph().unreachable().size());
      std::fflush(stdout);
    }
    if (keeps) index.save(own_file);
  }
  std::printf("image         %.1f MB\n", static_cast<double>(index.graph().image().size()) / 1e6);

  const auto raw = [&](RawHnswlib& hnswlib) {
    return
        [&](std::size_t query, std::size_t ef, Ten& out) { hnswlib.search(vectors.query(query), ef, 10, out.data()); };
  };
  std::array<double, 10> scores{};
  const auto ours = [&](std::size_t query, std::size_t ef, Ten& out) {
    index.search(vectors.query(query), ef, out, scores);
  };
  std::vector<Arm> arms{{"hnswlib float32, native", "", raw(*native)}, {"hnswlib float32, -O2", "", raw(*plain)}};
  for (const auto& set : fractal::kernels::instruction_sets()) arms.push_back({"ours, " + set, set, ours});
  if (const std::size_t repetitions = number("--profile", 0); repetitions > 0) {
    fractal::kernels::use_instruction_set(options["--set"]);
    Ten out{};
    const double time = cpu_seconds(CLOCK_THREAD_CPUTIME_ID, [&] {
      for (std::size_t i = 0; i < repetitions * vectors.query_count(); ++i) ours(i % vectors.query_count(), 61, out);
    });
    std::printf("%.2f us a query\n", 1e6 * time / static_cast<double>(repetitions * vectors.query_count()));
    return 0;
  }
  compare_filtered(vectors, *native, static_cast<int>(number("--rounds", 11)));
  for (const double target : {0.98, 0.99}) {
    compare(vectors, arms, index, target, static_cast<int>(number("--rounds", 11)));
  }
}
