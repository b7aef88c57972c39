// The public search() on a real file beside hnswlib and faiss, in one process: recall and queries a second of each at
// many settings, without a filter and with one.
//   peers_bench [--data FOLDER] [--rows N] [--rounds N] [--db FILE] [--write FOLDER]
// --data as graph_walk_bench has it. --db: the database is kept there, and taken from there. --write: rows, questions,
// the filtered number and the true answers go there, for engines that are not linked here (measure.py).
// A line for each setting: engine, filter in rows of 1,000, setting, recall@10, queries a second; one thread, ids and
// scores. table.py makes a table of them.
#include "bench/arguments.h"
#include "bench/graph_walk/raw_hnswlib.h"
#include "bench/graph_walk/vector_store.h"
#include "bench/peers/faiss_hnsw.h"
#include "bench/timing.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace fractal::bench;
using fractal::Filter;
using fractal::FractalMemory;

constexpr std::size_t k = 10, most_questions = 500;
constexpr std::array<unsigned, 6> shares{1000, 500, 200, 100, 10, 1};
constexpr std::array<std::size_t, 12> efs{16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 768, 1536};
constexpr double enough = 0.9975;

using Ten = std::array<std::uint32_t, k>;
using Search = std::function<void(std::size_t question, Ten& out)>;

struct Corpus {
  Vectors vectors;
  std::vector<std::uint32_t> u;                  // of each row, 0..999
  std::map<unsigned, std::vector<Ten>> truth{};  // by share: rows with u < share

  std::size_t questions() const { return std::min(most_questions, vectors.query_count()); }
};

Ten rows_of(const fractal::SearchResult& found) {
  Ten out{};
  out.fill(~0U);
  for (std::size_t i = 0; i < found.hits.size(); ++i) {
    out[i] = static_cast<std::uint32_t>(found.hits[i].memory.coordinate[0]);
  }
  return out;
}

class Comparison {
 public:
  Comparison(const Corpus& corpus, int rounds) : corpus_(corpus), rounds_(rounds) {}

  // One line; returns the recall.
  double measure(const std::string& engine, unsigned share, const std::string& setting, const Search& search) const {
    Ten out{};
    std::size_t found = 0, wanted = 0;
    for (std::size_t q = 0; q < corpus_.questions(); ++q) {
      out.fill(~0U);
      search(q, out);
      const Ten& truth = corpus_.truth.at(share)[q];
      for (const std::uint32_t row : truth) {
        if (row == ~0U) continue;
        found += std::count(out.begin(), out.end(), row) > 0 ? 1 : 0;
        ++wanted;
      }
    }
    const double recall = static_cast<double>(found) / static_cast<double>(wanted);
    std::vector<double> times;
    for (int round = 0; round < rounds_; ++round) {
      times.push_back(seconds([&] {
        for (std::size_t q = 0; q < corpus_.questions(); ++q) search(q, out);
      }));
    }
    std::printf("%s\t%u\t%s\t%.4f\t%.0f\n", engine.c_str(), share, setting.c_str(), recall,
                static_cast<double>(corpus_.questions()) / median(std::move(times)));
    std::fflush(stdout);
    return recall;
  }

  // Rising ef, until practically nothing is missed.
  void curve(const std::string& engine, unsigned share,
             const std::function<void(std::size_t question, std::size_t ef, Ten& out)>& search) const {
    for (const std::size_t ef : efs) {
      const double recall =
          measure(engine, share, fmt::format("ef {}", ef), [&](std::size_t q, Ten& out) { search(q, ef, out); });
      if (recall >= enough) return;
    }
  }

 private:
  const Corpus& corpus_;
  const int rounds_;
};

void find_truth(Corpus& corpus, const FractalMemory& memory) {
  for (const unsigned share : shares) {
    fractal::SearchOptions options{.exact = true, .payloads = false};
    if (share < 1000) options.filter = Filter::lt("u", share);
    for (std::size_t q = 0; q < corpus.questions(); ++q) {
      corpus.truth[share].push_back(
          rows_of(memory.search(std::span(corpus.vectors.query(q), corpus.vectors.dimension), options).value()));
    }
  }
}

template <class Number> void write(const std::string& file, const Number* numbers, std::size_t count) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(numbers), static_cast<std::streamsize>(count * sizeof(Number)));
}

void write_all(const Corpus& corpus, const std::string& folder) {
  std::filesystem::create_directories(folder);
  write(folder + "/rows.f32", corpus.vectors.rows.data(), corpus.vectors.rows.size());
  write(folder + "/questions.f32", corpus.vectors.queries.data(), corpus.questions() * corpus.vectors.dimension);
  write(folder + "/u.i32", corpus.u.data(), corpus.u.size());
  for (const auto& [share, rows] : corpus.truth) {
    write(fmt::format("{}/truth_{}.i32", folder, share), rows.front().data(), rows.size() * k);
  }
}

void compare_ours(const Corpus& corpus, const Comparison& comparison, const FractalMemory& memory) {
  for (const unsigned share : shares) {
    std::string last;
    for (const double target : {0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998}) {
      fractal::SearchOptions options{.recall = target, .payloads = false};
      if (share < 1000) options.filter = Filter::lt("u", share);
      const auto search = [&](std::size_t q) {
        return memory.search(std::span(corpus.vectors.query(q), corpus.vectors.dimension), options).value();
      };
      std::string plan = search(0).plan;
      plan.resize(std::min(plan.size(), plan.find(':')));
      if (std::exchange(last, plan) == plan) continue;
      comparison.measure("FractalMemory", share, plan, [&](std::size_t q, Ten& out) { out = rows_of(search(q)); });
    }
  }
}

void compare_hnswlib(const Corpus& corpus, const Comparison& comparison, const std::string& name, RawHnswlib& index) {
  const Vectors& vectors = corpus.vectors;
  comparison.curve(name, 1000,
                   [&](std::size_t q, std::size_t ef, Ten& out) { index.search(vectors.query(q), ef, k, out.data()); });
  for (const unsigned share : shares) {
    if (share == 1000 || share < 100) continue;  // its walk is no plan for few rows
    std::vector<std::uint8_t> allowed;
    for (const std::uint32_t u : corpus.u) allowed.push_back(u < share ? 1 : 0);
    Ten out{};
    if (!index.search_allowed(vectors.query(0), 16, k, allowed.data(), out.data())) return;
    comparison.curve(name, share, [&](std::size_t q, std::size_t ef, Ten& found) {
      index.search_allowed(vectors.query(q), ef, k, allowed.data(), found.data());
    });
  }
}

}  // namespace

int main(int count, char** arguments) {
  auto options = options_of(count, arguments);
  const std::size_t rows = options.contains("--rows") ? std::strtoul(options["--rows"].c_str(), nullptr, 10) : 100'000;
  const int rounds = options.contains("--rounds") ? std::atoi(options["--rounds"].c_str()) : 3;
  Corpus corpus{options.contains("--data") ? vectors_of_folder(options["--data"]) : clustered_vectors(rows, 1'000), {}};
  for (std::size_t i = 0; i < corpus.vectors.row_count(); ++i) {
    corpus.u.push_back(static_cast<std::uint32_t>((i * 0x9e3779b97f4a7c15 >> 32) % 1000));
  }
  const std::string path = options.contains("--db")
                               ? options["--db"]
                               : (std::filesystem::temp_directory_path() / "fractal_peers_bench.db").string();
  const bool is_new = !std::filesystem::exists(path);
  const FractalMemory memory = open_vector_store(path, {.background = false});
  if (is_new) {
    store_rows(memory, corpus.vectors, 0, corpus.vectors.row_count(), [&](std::size_t row) {
      return fmt::format(R"({{"u": {}, "note": "{}"}})", corpus.u[row], std::string(100, 'x'));
    });
    memory.maintain().value();
  }
  find_truth(corpus, memory);
  if (options.contains("--write")) write_all(corpus, options["--write"]);

  const Comparison comparison(corpus, rounds);
  compare_ours(corpus, comparison, memory);
  const Vectors& vectors = corpus.vectors;
  const auto native = raw_hnswlib_native(vectors.dimension), plain = raw_hnswlib_plain(vectors.dimension);
  const std::string saved = path + ".hnswlib";
  if (!std::filesystem::exists(saved)) {
    native->build(vectors.rows.data(), vectors.row_count(), 2);
    native->save(saved);
  }
  native->load(saved, vectors.row_count());
  compare_hnswlib(corpus, comparison, "hnswlib -O3 -march=native", *native);
  plain->load(saved, vectors.row_count());
  compare_hnswlib(corpus, comparison, "hnswlib -O2", *plain);
#ifdef FRACTAL_PEER_FAISS
  const auto faiss = faiss_hnsw(vectors.dimension);
  faiss->build(vectors.rows.data(), vectors.row_count());
  comparison.curve("faiss HNSWFlat", 1000, [&](std::size_t q, std::size_t ef, Ten& out) {
    faiss->search(vectors.query(q), ef, k, nullptr, out.data());
  });
  for (const unsigned share : {500U, 200U, 100U}) {
    std::vector<std::uint8_t> bits((corpus.u.size() + 7) / 8);
    for (std::size_t i = 0; i < corpus.u.size(); ++i) {
      if (corpus.u[i] < share) bits[i / 8] |= static_cast<std::uint8_t>(1U << i % 8);
    }
    comparison.curve("faiss HNSWFlat", share, [&](std::size_t q, std::size_t ef, Ten& out) {
      faiss->search(vectors.query(q), ef, k, bits.data(), out.data());
    });
  }
#endif
}
