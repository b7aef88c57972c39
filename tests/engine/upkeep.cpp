// Backup, verify, repair, maintain, stats, health, read-only handles.
#include "engine.h"

#include <filesystem>
#include <fstream>
#include <thread>

using namespace engine;

namespace {

Memory numbered(int i) {
  return {.coordinate = {static_cast<double>(i % 7), static_cast<double>(i)},
          .payload = "{\"text\": \"tea w" + std::to_string(i) + "\", \"n\": " + std::to_string(i) + "}",
          .type = i % 3 == 0 ? MemoryType::semantic : MemoryType::episodic,
          .embedding = i % 2 == 0 ? std::vector<float>{1, static_cast<float>(i), 2} : std::vector<float>{}};
}

void fill(const FractalMemory& memory, int n) {
  Batch batch;
  for (int i = 0; i < n; ++i) {
    batch.store(numbered(i));
    batch.link({.from = numbered(i).coordinate, .to = {99, static_cast<double>(i)}});
  }
  memory.apply(batch).value();
}

}  // namespace

TEST_CASE("stats are those of the space") {
  const auto memory = open_fresh();
  CHECK(memory.stats().value().memories == 0);
  fill(memory, 60);
  memory.in({.tenant = "other"}).store({.coordinate = {1}}).value();
  const Stats stats = memory.stats().value();
  CHECK(stats.memories == 60);
  CHECK(stats.semantic == 20);
  CHECK(stats.episodic == 40);
  CHECK(stats.vectors == 30);
  CHECK(stats.links == 60);
  CHECK(stats.dimension == 3);
  CHECK(stats.sequence == 120);
  CHECK(stats.indexed_fields.empty());
  if (durable_storage()) CHECK(stats.file_bytes > 10'000);
  const std::vector<float> vector{1, 2, 3};
  memory.search(vector).value();
  CHECK(memory.stats().value().index_vectors >= 30);
  CHECK(memory.stats().value().index_bytes > 0);
  CHECK(memory.stats().value().index_applied == 120);
}

TEST_CASE("health of a sound database") {
  const auto memory = open_fresh();
  fill(memory, 10);
  const Health health = memory.health().value();
  CHECK(health.ok);
  CHECK(health.problems.empty());
  CHECK(health.backend.starts_with(storage_is_a_file() ? "sqlite 3." : durable_storage() ? "postgres " : "memory"));
  CHECK_FALSE(health.simd.empty());
}

TEST_CASE("verify finds nothing, and repair changes nothing, where nothing is wrong") {
  const auto memory = open_fresh();
  CHECK(memory.verify().value().ok());
  fill(memory, 300);
  const auto other = memory.in({.tenant = "other"});
  fill(other, 50);
  for (int i = 0; i < 300; i += 5) memory.remove(numbered(i).coordinate).value();
  for (int i = 1; i < 300; i += 5) memory.update(numbered(i).coordinate, {.payload = R"({"text": "coffee"})"}).value();
  const VerifyReport report = memory.verify().value();
  CHECK(report.ok());
  CHECK(report.memories == 240 + 50);
  CHECK(report.links == 240 + 50);
  CHECK(report.vectors == 120 + 25);

  const std::string before = exported(memory);
  const auto found = memory.search("coffee w7", {.top_k = 500}).value();
  CHECK_FALSE(memory.repair().value().repaired.empty());
  CHECK(exported(memory) == before);
  const auto again = memory.search("coffee w7", {.top_k = 500}).value();
  CHECK(coordinates(again.hits) == coordinates(found.hits));
  for (std::size_t i = 0; i < found.hits.size(); ++i) CHECK(again.hits[i].score == found.hits[i].score);
  const std::vector<float> vector{1, 2, 3};
  CHECK(memory.search(vector).value().matched == 120);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("maintain keeps everything that is there") {
  const auto memory = open_fresh();
  fill(memory, 200);
  for (int i = 0; i < 150; ++i) memory.remove(numbered(i).coordinate).value();
  const std::string before = exported(memory);
  memory.maintain().value();
  const auto report = memory.maintain({.purge = true}).value();
  if (durable_storage()) CHECK(report.bytes_rewritten > 0);
  CHECK(exported(memory) == before);
  CHECK(memory.search("tea", {.top_k = 5}).value().matched == 50);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("purge leaves no byte of what was removed in any file") {
  if (!storage_is_a_file()) return;
  Options options = fresh_options();
  options.audit.payloads = true;
  const auto memory = FractalMemory::open(options).value();
  fill(memory, 50);
  memory
      .store({.coordinate = {7654321},
              .payload = R"({"text": "Xylophonsecretword", "n": "Quetzalsecretvalue"})",
              .metadata = R"({"m": "Zirconsecretmeta"})"})
      .value();
  const auto gone = memory.in({.tenant = "Mandolinsecrettenant"});
  gone.store({.coordinate = {1}, .payload = R"({"text": "Bassoonsecretword"})"}).value();
  const auto in_files = [&](std::string_view word) {
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(options.path).parent_path())) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::string bytes((std::istreambuf_iterator<char>(in)), {});
      std::transform(bytes.begin(), bytes.end(), bytes.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (bytes.find(word) != std::string::npos) return true;
    }
    return false;
  };
  // In lower case and without the endings, as words are kept for search.
  const std::string_view secrets[] = {"xylophonsecret", "quetzalsecret", "zirconsecret",
                                      "mandolinsecret", "bassoonsecret", "7654321"};
  for (const auto secret : secrets) CHECK_MESSAGE(in_files(secret), secret);
  memory.remove({7654321}).value();
  gone.erase_space().value();
  memory.maintain({.purge = true}).value();
  for (const auto secret : secrets) CHECK_MESSAGE(!in_files(secret), secret);
  CHECK(memory.stats().value().memories == 50);
  CHECK(memory.changes(memory.stats().value().sequence).value().empty());
  CHECK(memory.changes(1).error().code == Errc::not_found);
}

TEST_CASE("a backup made while a thread writes is a whole database of one moment") {
  const auto memory = open_fresh();
  fill(memory, 500);
  memory.create_index("n").value();
  const auto other = memory.in({.tenant = "other"});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      Batch batch;  // always both or none
      batch.store(
          {.coordinate = {1000, static_cast<double>(i)}, .payload = R"({"text": "pair"})", .embedding = {1, 1, 1}});
      batch.store({.coordinate = {2000, static_cast<double>(i)}, .payload = R"({"text": "pair"})"});
      if (!memory.apply(batch)) break;
      if (!other.store({.coordinate = {static_cast<double>(i)}})) break;
    }
  });
  std::vector<std::string> copies;
  for (int i = 0; i < 3; ++i) {
    copies.push_back(fresh_path("copy.db"));
    const auto done = memory.backup(copies.back());
    if (!done) MESSAGE(done.error().message);
    CHECK(done.has_value());
  }
  stop = true;
  writer.join();
  std::uint64_t before = 500;
  for (const std::string& path : copies) {
    const auto copy = FractalMemory::open({.path = path, .create = false}).value();
    CHECK(copy.verify().value().ok());
    CHECK(copy.within({1000}, {.limit = 100'000}).value().memories.size() ==
          copy.within({2000}, {.limit = 100'000}).value().memories.size());
    CHECK(copy.stats().value().memories >= before);
    before = copy.stats().value().memories;
    CHECK(copy.retrieve(numbered(77).coordinate).value() == memory.retrieve(numbered(77).coordinate).value());
    CHECK(copy.search("tea w77", {.top_k = 1}).value().hits.at(0).memory.payload == numbered(77).payload);
    CHECK(copy.stats().value().indexed_fields == std::vector<std::string>{"n"});
    CHECK(copy.neighbors(numbered(77).coordinate).value().size() == 1);
  }
  CHECK(memory.verify().value().ok());
}

TEST_CASE("a backup holds every space and overwrites nothing") {
  const auto memory = open_fresh();
  fill(memory, 20);
  fill(memory.in({.tenant = "other", .name = "x"}), 30);
  const std::string path = fresh_path("copy.db");
  memory.backup(path).value();
  {
    const auto copy = FractalMemory::open(path).value();
    CHECK(exported(copy) == exported(memory));
    CHECK(exported(copy.in({.tenant = "other", .name = "x"})) == exported(memory.in({.tenant = "other", .name = "x"})));
  }
  const auto size = std::filesystem::file_size(path);
  const Error there = error_of(memory.backup(path));
  CHECK(there.code == Errc::conflict);
  CHECK(mentions(there, path));
  CHECK(std::filesystem::file_size(path) == size);
  CHECK(error_of(memory.backup("")).code != Errc::corruption);
  const std::string nowhere = fresh_path("no_such_folder") + "/copy.db";
  CHECK_FALSE(memory.backup(nowhere).has_value());
  CHECK_FALSE(std::filesystem::exists(nowhere));
}

TEST_CASE("a backup has the metric and the text fields of the database") {
  Options options = fresh_options();
  options.metric = Metric::dot;
  options.text_fields = {{"story", 2}};
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"story": "a boat", "text": "tea"})", .embedding = {1, 1}}).value();
  const std::string path = fresh_path("copy.db");
  memory.backup(path).value();
  const auto copy = FractalMemory::open(path).value();
  const std::vector<float> twice{2, 2};
  CHECK(copy.search(twice).value().hits.at(0).score == 4);
  CHECK(copy.search("boat", {.mode = SearchMode::keyword}).value().matched == 1);
  CHECK(copy.search("tea", {.mode = SearchMode::keyword}).value().matched == 0);
}

TEST_CASE("a read-only handle reads and refuses to write") {
  if (!durable_storage()) return;
  Options options = fresh_options();
  std::string before;
  {
    const auto memory = FractalMemory::open(options).value();
    fill(memory, 30);
    before = exported(memory);
  }
  options.read_only = true;
  const auto memory = FractalMemory::open(options).value();
  CHECK(exported(memory) == before);
  CHECK(memory.search("tea").value().matched == 30);
  CHECK(memory.verify().value().ok());
  const std::vector<float> vector{1, 2, 3};
  CHECK(memory.search(vector).value().matched == 15);
  const auto unsupported = [](const auto& result) { CHECK(error_of(result).code == Errc::unsupported); };
  unsupported(memory.store({.coordinate = {1}}));
  unsupported(memory.update(numbered(1).coordinate, {}));
  unsupported(memory.remove(numbered(1).coordinate));
  unsupported(memory.link({.from = {1}, .to = {2}}));
  unsupported(memory.unlink({1}, {2}));
  unsupported(memory.erase_space());
  unsupported(memory.create_index("n"));
  unsupported(memory.repair());
  unsupported(memory.maintain());
  CHECK(exported(memory) == before);
  options.path += ".other";
  CHECK(error_of(FractalMemory::open(options)).code == Errc::not_found);
}
