// The graph seen through the public API: it is built, found again, lost and damaged, and no answer shows it but
// by its speed.
#include "tests/hnsw/clustered_vectors.h"
#include "tests/temporary_folder.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

using fractal::Batch;
using fractal::Coordinate;
using fractal::FractalMemory;
using fractal::SearchResult;

namespace {

constexpr std::size_t dimension = 24, memories = 1500;

fractal::Options options(const fractal::testing::TemporaryFolder& folder, bool background = false) {
  fractal::Options options{.path = folder.file("agent.db"), .durability = fractal::Durability::normal};
  options.embedder = nullptr;
  options.index = {.graph_from = 1000, .m = 8, .ef_construction = 64, .background = background};
  return options;
}

FractalMemory open(const fractal::testing::TemporaryFolder& folder) {
  auto opened = FractalMemory::open(options(folder));
  REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
  return std::move(*opened);
}

Coordinate at(std::size_t i) { return {1, static_cast<double>(i)}; }

struct Corpus {
  std::vector<std::vector<float>> vectors;
  std::vector<std::vector<float>> questions;
};
const Corpus& corpus() {
  static const Corpus made = [] {
    fractal::testing::ClusteredVectors source(11, dimension, 12);
    Corpus corpus;
    for (std::size_t i = 0; i < memories; ++i) corpus.vectors.push_back(source.next().first);
    for (std::size_t i = 0; i < 40; ++i) corpus.questions.push_back(source.next().first);
    return corpus;
  }();
  return made;
}

void fill(const FractalMemory& memory) {
  Batch batch;
  for (std::size_t i = 0; i < memories; ++i) {
    batch.store({.coordinate = at(i), .payload = fmt::format(R"({{"n": {}}})", i), .embedding = corpus().vectors[i]});
  }
  REQUIRE(memory.apply(batch).has_value());
}

SearchResult search(const FractalMemory& memory, const std::vector<float>& question,
                    const fractal::SearchOptions& options = {}) {
  auto found = memory.search(question, options);
  REQUIRE_MESSAGE(found.has_value(), found.error().message);
  return std::move(*found);
}

fractal::Stats stats(const FractalMemory& memory) {
  (void)search(memory, corpus().questions[0]);  // an index is loaded by the first search
  return memory.stats().value();
}

// Every hit is there once, with the score that a scan gives it, and nearly all of the true ones are found.
void check_answers(const FractalMemory& memory) {
  std::size_t found = 0, wanted = 0;
  for (const auto& question : corpus().questions) {
    const SearchResult result = search(memory, question);
    const SearchResult truth = search(memory, question, {.exact = true});
    REQUIRE(truth.exact);
    REQUIRE(result.hits.size() == truth.hits.size());
    CHECK(result.matched == truth.matched);
    std::set<Coordinate> seen;
    for (const auto& hit : result.hits) {
      CHECK(seen.insert(hit.memory.coordinate).second);
      const auto same = std::find_if(truth.hits.begin(), truth.hits.end(), [&](const auto& other) {
        return other.memory.coordinate == hit.memory.coordinate;
      });
      if (same == truth.hits.end()) continue;
      CHECK(same->score == hit.score);
      ++found;
    }
    wanted += truth.hits.size();
  }
  CHECK(static_cast<double>(found) >= 0.97 * static_cast<double>(wanted));
}

std::vector<std::filesystem::path> index_files(const fractal::testing::TemporaryFolder& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder.file("agent.db-index"))) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("agent.db-index"))) {
    if (entry.path().extension() == ".graph" || entry.path().extension() == ".vectors") files.push_back(entry.path());
  }
  return files;
}

bool is_anywhere(const fractal::testing::TemporaryFolder& folder, const std::vector<float>& vector) {
  const std::string bytes(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (content.find(bytes) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("maintain() builds the graph, searches use it, a new process finds it") {
  const fractal::testing::TemporaryFolder folder;
  {
    const FractalMemory memory = open(folder);
    fill(memory);
    CHECK(stats(memory).graph_vectors == 0);
    CHECK(search(memory, corpus().questions[0]).exact);
    std::uint64_t told = 0;
    REQUIRE(memory.maintain({.control = {.progress = [&](std::uint64_t done, std::uint64_t) { told = done; }}}));
    CHECK(told > 0);
    CHECK(stats(memory).graph_vectors == memories);
    const SearchResult result = search(memory, corpus().questions[0]);
    CHECK_FALSE(result.exact);
    CHECK(result.plan.find("graph") != std::string::npos);
    CHECK(result.visited < memories);
    check_answers(memory);
    CHECK(memory.verify().value().ok());
    CHECK(memory.health().value().problems.empty());
  }
  const FractalMemory memory = open(folder);
  CHECK(stats(memory).graph_vectors == memories);
  check_answers(memory);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("each kind of codes gives the same answers; another kind is taken by maintain()") {
  const fractal::testing::TemporaryFolder folder;
  using Kind = std::pair<fractal::Codes, const char*>;
  for (const auto& [codes, name] : {Kind{fractal::Codes::bit, "bit"}, Kind{fractal::Codes::float32, "float32"},
                                    Kind{fractal::Codes::int8, "int8"}}) {
    CAPTURE(name);
    auto wanted = options(folder);
    wanted.index.codes = codes;
    const FractalMemory memory = FractalMemory::open(wanted).value();
    if (codes == fractal::Codes::bit) fill(memory);
    REQUIRE(memory.maintain().has_value());
    CHECK(search(memory, corpus().questions[0]).plan.find(name) != std::string::npos);
    check_answers(memory);
    const auto filter = fractal::Filter::lt("n", memories / 4);
    CHECK(search(memory, corpus().questions[0], {.filter = filter}).matched == memories / 4);
    CHECK(memory.verify().value().ok());
  }
}

TEST_CASE("the background thread builds it without being asked") {
  const fractal::testing::TemporaryFolder folder;
  const FractalMemory memory = FractalMemory::open(options(folder, true)).value();
  fill(memory);
  for (int i = 0; i < 600 && stats(memory).graph_vectors == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(stats(memory).graph_vectors == memories);
  check_answers(memory);
}

TEST_CASE("maintain() waits for what the thread builds for another space") {
  for (int round = 0; round < 4; ++round) {
    const fractal::testing::TemporaryFolder folder;
    const auto memory = FractalMemory::open(options(folder, true)).value();
    const auto other = memory.in({.tenant = "other", .name = "other"});
    fill(other);
    fill(memory);
    memory.maintain({.purge = true}).value();
    CHECK(memory.stats().value().graph_vectors == memories);
    CHECK(other.stats().value().graph_vectors == memories);
  }
}

TEST_CASE("what changed after the graph was built is right before and after a restart") {
  const fractal::testing::TemporaryFolder folder;
  const auto check = [](const FractalMemory& memory) {
    CHECK(stats(memory).graph_vectors == memories);
    CHECK(stats(memory).vectors == memories - 100 + 50);
    check_answers(memory);
    for (std::size_t i = 0; i < 40; ++i) {
      // 0 to 99 are gone, 100 to 149 moved to where others were, 2000 to 2049 are new.
      const Coordinate gone = search(memory, corpus().vectors[i], {.top_k = 1}).hits.front().memory.coordinate;
      CHECK(gone == at(2000 + i));
      const auto moved = search(memory, corpus().vectors[100 + i], {.top_k = 1}).hits.front();
      CHECK(moved.memory.coordinate != at(100 + i));
    }
    CHECK(search(memory, corpus().questions[0], {.top_k = 5000}).hits.size() == memories - 50);
    CHECK(memory.verify().value().ok());
  };
  {
    const FractalMemory memory = open(folder);
    fill(memory);
    REQUIRE(memory.maintain());
    Batch batch;
    for (std::size_t i = 0; i < 100; ++i) batch.remove(at(i));
    for (std::size_t i = 0; i < 50; ++i) {
      batch.update(at(100 + i), {.embedding = std::vector<float>(dimension, i % 2 == 0 ? 1.0F : -1.0F)});
      batch.store({.coordinate = at(2000 + i), .embedding = corpus().vectors[i]});
    }
    REQUIRE(memory.apply(batch).has_value());
    check(memory);
  }
  const FractalMemory memory = open(folder);
  check(memory);
}

TEST_CASE("a graph grows by what was added, and begins anew when much of it is dead") {
  const fractal::testing::TemporaryFolder folder;
  const FractalMemory memory = open(folder);
  fill(memory);
  REQUIRE(memory.maintain());
  Batch more;
  for (std::size_t i = 0; i < 400; ++i) {
    more.store({.coordinate = {2, static_cast<double>(i)}, .embedding = corpus().vectors[i]});
  }
  REQUIRE(memory.apply(more).has_value());
  REQUIRE(memory.maintain());
  CHECK(stats(memory).graph_vectors == memories + 400);
  check_answers(memory);
  Batch less;
  for (std::size_t i = 0; i < 800; ++i) less.remove(at(i));
  REQUIRE(memory.apply(less).has_value());
  check_answers(memory);
  REQUIRE(memory.maintain());
  CHECK(stats(memory).graph_vectors == memories + 400 - 800);
  CHECK(stats(memory).index_vectors == memories + 400 - 800);
  check_answers(memory);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("files that went or were damaged cost speed alone, and health() says so") {
  const fractal::testing::TemporaryFolder folder;
  {
    const FractalMemory memory = open(folder);
    fill(memory);
    REQUIRE(memory.maintain());
    for (const auto& file : index_files(folder)) std::filesystem::remove(file);  // while it is mapped
    check_answers(memory);
  }
  {
    const FractalMemory memory = open(folder);
    CHECK(stats(memory).graph_vectors == 0);
    check_answers(memory);
    CHECK_FALSE(memory.health().value().problems.empty());
    REQUIRE(memory.maintain());
    CHECK(memory.health().value().problems.empty());
    CHECK(stats(memory).graph_vectors == memories);
  }
  for (const auto& file : index_files(folder)) {
    const auto size = std::filesystem::file_size(file);
    for (const std::uint64_t place : {std::uint64_t{0}, size / 3, size / 2, size - 1}) {
      std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekg(static_cast<std::streamoff>(place));
      const int was = bytes.get();
      const auto put = [&](int value) {
        bytes.seekp(static_cast<std::streamoff>(place));
        bytes.put(static_cast<char>(value));
        bytes.flush();
      };
      put(was ^ 0x10);
      {
        const FractalMemory memory = open(folder);
        check_answers(memory);
        CHECK(stats(memory).graph_vectors == 0);
        CHECK_FALSE(memory.health().value().problems.empty());
      }
      put(was);
    }
  }
  CHECK(stats(open(folder)).graph_vectors == memories);
}

TEST_CASE("what was removed is in no file after a purge, what was erased has none") {
  const fractal::testing::TemporaryFolder folder;
  const FractalMemory memory = open(folder);
  fill(memory);
  REQUIRE(memory.maintain());
  REQUIRE(is_anywhere(folder, corpus().vectors[7]));
  REQUIRE(memory.remove(at(7)).value());
  REQUIRE(memory.maintain({.purge = true}));
  CHECK_FALSE(is_anywhere(folder, corpus().vectors[7]));
  CHECK(is_anywhere(folder, corpus().vectors[8]));
  CHECK(stats(memory).graph_vectors == memories - 1);
  check_answers(memory);
  REQUIRE(memory.erase_space().value() == memories - 1);
  CHECK(index_files(folder).empty());
  REQUIRE(memory.maintain({.purge = true}));
  CHECK_FALSE(is_anywhere(folder, corpus().vectors[8]));
}

TEST_CASE("a copy of the database does without the files, and never takes another's") {
  const fractal::testing::TemporaryFolder folder;
  const FractalMemory memory = open(folder);
  fill(memory);
  REQUIRE(memory.maintain());
  REQUIRE(memory.backup(folder.file("copy.db")).has_value());
  fractal::Options of_copy = options(folder);
  of_copy.path = folder.file("copy.db");
  {
    const FractalMemory copy = FractalMemory::open(of_copy).value();
    check_answers(copy);
    CHECK(stats(copy).graph_vectors == 0);
    REQUIRE(copy.maintain());
    CHECK(stats(copy).graph_vectors == memories);
    check_answers(copy);
  }
  check_answers(memory);
}

TEST_CASE("recall_probe() measures what the graph gives") {
  const fractal::testing::TemporaryFolder folder;
  const FractalMemory memory = open(folder);
  CHECK(memory.recall_probe(10).value().questions == 0);
  fill(memory);
  const auto exact = memory.recall_probe(50).value();
  CHECK(exact.exact);
  CHECK(exact.recall == 1);
  CHECK(exact.questions == 50);
  REQUIRE(memory.maintain());
  const auto probed = memory.recall_probe(200).value();
  CHECK_FALSE(probed.exact);
  CHECK(probed.questions == 200);
  CHECK(probed.recall >= 0.97);
  CHECK(probed.low <= probed.recall);
  CHECK(probed.high >= probed.recall);
  CHECK_FALSE(memory.recall_probe(0).has_value());
  CHECK_FALSE(memory.recall_probe(10, 2.0).has_value());
}

TEST_CASE("options of the index outside their limits are refused by name") {
  const fractal::testing::TemporaryFolder folder;
  auto wrong = options(folder);
  wrong.index.m = 1;
  CHECK(FractalMemory::open(wrong).error().message.find("index.m") != std::string::npos);
  wrong.index.m = 16;
  wrong.index.ef_construction = 5000;
  CHECK(FractalMemory::open(wrong).error().message.find("ef_construction") != std::string::npos);
  const FractalMemory memory = open(folder);
  const auto refused = memory.search(corpus().questions[0], {.recall = 0.3});
  CHECK(refused.error().message.find("recall") != std::string::npos);
}
