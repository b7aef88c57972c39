// What measure.py measures of other engines, of this library: the same phases, corpus and lines of JSON; and `commit`,
// single inserts beside the floor's.
//   ours PHASE CORPUS FOLDER
#include "bench/floor/sqlite_rows.h"
#include "bench/number_file.h"
#include "bench/process_memory.h"
#include "bench/timing.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using fractal::Filter;
using fractal::FractalMemory;
using fractal::bench::median;
using fractal::bench::memory_of_process;
using fractal::bench::numbers_of;
using fractal::bench::seconds;

constexpr std::size_t k = 10, dimension = 384, most_questions = 300, rows_of_batch = 1000, rounds = 3;
constexpr std::size_t first_new = 150'000;
constexpr std::array<unsigned, 6> shares{1000, 500, 200, 100, 10, 1};
constexpr std::array<double, 7> recalls{0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999};
constexpr double enough = 0.9975;

struct Corpus {
  std::string folder;
  std::vector<float> questions = numbers_of<float>(folder + "/questions.f32");

  std::size_t count() const { return std::min(most_questions, questions.size() / dimension); }
  std::span<const float> question(std::size_t i) const { return {questions.data() + i * dimension, dimension}; }
};

FractalMemory open(const std::string& folder, const std::string& file = "memory.db") {
  fractal::Options options{.path = folder + "/" + file, .indexed_fields = {"u"}};
  options.embedder = nullptr;
  options.index.background = false;
  return FractalMemory::open(options).value();
}

fractal::Memory row(std::size_t id, std::span<const float> vector, unsigned u) {
  return {.coordinate = {static_cast<double>(id)},
          .payload = fmt::format(R"({{"u":{},"text":"memory number {}"}})", u, id),
          .embedding = {vector.begin(), vector.end()}};
}

void print(const std::string& phase, const std::string& fields) {
  fmt::print(R"({{"engine": "FractalMemory", "version": "{}", "phase": "{}", {}}})"
             "\n",
             fractal::version(), phase, fields);
}

void build(const Corpus& corpus, const std::string& folder) {
  const auto rows = numbers_of<float>(corpus.folder + "/rows.f32");
  const auto u = numbers_of<std::int32_t>(corpus.folder + "/u.i32");
  const auto memory = open(folder);
  const double bulk = seconds([&] {
    for (std::size_t begin = 0; begin < u.size(); begin += rows_of_batch) {
      fractal::Batch batch;
      for (std::size_t i = begin; i < std::min(begin + rows_of_batch, u.size()); ++i) {
        batch.store(row(i, {rows.data() + i * dimension, dimension}, static_cast<unsigned>(u[i])));
      }
      memory.apply(batch).value();
    }
  });
  const double finish = seconds([&] { memory.maintain().value(); });
  print("build", fmt::format(R"("bulk_s": {}, "finish_s": {}, "rows": {})", bulk, finish, u.size()));
}

fractal::Memory new_row(const Corpus& corpus, std::size_t i) {
  return row(first_new + i, corpus.question(i % corpus.count()), static_cast<unsigned>(i % 1000));
}

void insert(const std::string& phase, const Corpus& corpus, const std::string& folder, std::size_t count) {
  const auto memory = open(folder);
  std::vector<double> inserts, deletes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto one = new_row(corpus, i);
    inserts.push_back(seconds([&] { memory.store(one).value(); }));
  }
  for (std::size_t i = 0; i < count; ++i) {
    deletes.push_back(seconds([&] { memory.remove({static_cast<double>(first_new + i)}).value(); }));
  }
  print(phase, fmt::format(R"("insert_ms": {}, "durable": true, "delete_ms": {}, "inserts": {})",
                           1e3 * median(std::move(inserts)), 1e3 * median(std::move(deletes)), count));
}

// Single inserts beside the same rows by SQLite's own calls into the same tables, by turns; each has a file of its own.
void commit(const Corpus& corpus, const std::string& folder) {
  const auto memory = open(folder, "ours.db");
  open(folder, "floor.db").store(new_row(corpus, 0)).value();
  fractal::bench::SqliteRows floor(folder + "/floor.db");
  std::vector<double> inserts, commits;
  for (std::size_t i = 1; i <= 1000; ++i) {
    const auto one = new_row(corpus, i);
    const auto ready = fractal::bench::SqliteRows::prepare(one);
    inserts.push_back(seconds([&] { memory.store(one).value(); }));
    commits.push_back(seconds([&] { floor.store({&ready, 1}); }));
  }
  const double job = median(std::move(inserts)), raw = median(std::move(commits));
  print("commit", fmt::format(R"("insert_ms": {}, "raw_ms": {}, "rate_to_raw": {})", 1e3 * job, 1e3 * raw, raw / job));
}

double recall_of(const fractal::SearchResult& found, const std::uint32_t* truth) {
  std::size_t wanted = 0, right = 0;
  for (std::size_t i = 0; i < k; ++i) {
    if (truth[i] == ~0U) continue;
    ++wanted;
    for (const auto& hit : found.hits) right += hit.memory.coordinate[0] == truth[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(wanted);
}

std::string curve(const FractalMemory& memory, const Corpus& corpus, unsigned share) {
  const auto truth = numbers_of<std::uint32_t>(fmt::format("{}/truth_{}.i32", corpus.folder, share));
  std::string points;
  for (const double wanted : recalls) {
    fractal::SearchOptions options{.recall = wanted, .payloads = false};
    if (share < 1000) options.filter = Filter::lt("u", static_cast<std::int64_t>(share));
    double recall = 0;
    for (std::size_t q = 0; q < corpus.count(); ++q) {
      recall += recall_of(memory.search(corpus.question(q), options).value(), &truth[q * k]);
    }
    recall /= static_cast<double>(corpus.count());
    std::vector<double> times;
    for (std::size_t round = 0; round < rounds; ++round) {
      times.push_back(seconds([&] {
        for (std::size_t q = 0; q < corpus.count(); ++q) (void)memory.search(corpus.question(q), options).value();
      }));
    }
    points += fmt::format(R"({}{{"setting": "recall {}", "recall": {}, "qps": {}}})", points.empty() ? "" : ", ",
                          wanted, recall, static_cast<double>(corpus.count()) / median(std::move(times)));
    if (recall >= enough) break;
  }
  return points;
}

void open_and_ask(const Corpus& corpus, const std::string& folder) {
  std::vector<FractalMemory> memory;  // closing is not measured
  const double taken = seconds([&] {
    memory.push_back(open(folder));
    (void)memory[0].search(corpus.question(0)).value();
  });
  print("open", fmt::format(R"("open_ms": {})", 1e3 * taken));
}

void query(const Corpus& corpus, const std::string& folder) {
  const double before = memory_of_process("RssAnon");
  const auto memory = open(folder);
  for (std::size_t q = 0; q < corpus.count(); ++q) (void)memory.search(corpus.question(q)).value();
  const double taken = memory_of_process("RssAnon") - before;
  std::string curves;
  for (const unsigned share : shares) {
    curves += fmt::format(R"({}"{}": [{}])", curves.empty() ? "" : ", ", share, curve(memory, corpus, share));
  }
  print("query", fmt::format(R"("private_mb": {}, "curves": {{{}}})", taken, curves));
}

void binding(const Corpus& corpus, const std::string& folder) {
  const auto memory = open(folder);
  memory.store(row(0, corpus.question(0), 0)).value();
  std::vector<double> times;
  for (int i = 0; i < 500; ++i) times.push_back(seconds([&] { (void)memory.search(corpus.question(1)).value(); }));
  print("binding", fmt::format(R"("call_us": {})", 1e6 * median(std::move(times))));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: ours build|open|insert|syncs|query|binding|commit CORPUS FOLDER\n");
    return 2;
  }
  const std::string phase = arguments[1], folder = arguments[3];
  const Corpus corpus{arguments[2]};
  if (phase == "build") build(corpus, folder);
  if (phase == "insert") insert(phase, corpus, folder, 200);
  if (phase == "syncs") insert(phase, corpus, folder, 20);
  if (phase == "open") open_and_ask(corpus, folder);
  if (phase == "query") query(corpus, folder);
  if (phase == "binding") binding(corpus, folder);
  if (phase == "commit") commit(corpus, folder);
}
