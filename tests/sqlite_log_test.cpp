// The log of the SQLite storage: moved into the file beside writers, never begun anew before it has been.
#include "sqlite_files.h"

#include "backends/sqlite/connection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

using namespace fractal;
using namespace fractal::test;
using sqlite_backend::Access;
using sqlite_backend::Connection;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t step = 64 << 10;  // of the log, with this budget

Options small_steps(const std::string& path) {
  Options options = options_for(path);
  options.disk_budget = 16 * step;
  return options;
}

std::uint64_t log_bytes(const std::string& path) { return std::filesystem::file_size(path + "-wal"); }

// What is in the log, by SQLite's own count; moves it if nobody is in the way, as a foreign program might.
std::uint64_t pages_in_log(const std::string& path) {
  const auto connection = Connection::open(path, Access::write, std::chrono::milliseconds(0)).value();
  connection->move_log_at_close(false);
  connection->execute("SELECT count(*) FROM sqlite_schema", "test").value();
  int pages = -1;
  REQUIRE(sqlite3_wal_checkpoint_v2(connection->handle(), "main", SQLITE_CHECKPOINT_PASSIVE, &pages, nullptr) ==
          SQLITE_OK);
  REQUIRE(pages >= 0);
  return static_cast<std::uint64_t>(pages);
}

void put_large(Storage& storage, double at) { put(storage, {at}, R"({"text":")" + std::string(30'000, 'x') + "\"}"); }

}  // namespace

TEST_CASE("a log that is to be moved is not begun anew before, even if somebody has moved it already") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  const auto storage = open_sqlite_storage(small_steps(path)).value();
  for (int i = 0; i < 4; ++i) put_large(*storage, i);
  const auto before = pages_in_log(path);
  REQUIRE(before * page > step);
  put_large(*storage, 4);
  CHECK(pages_in_log(path) > before);  // appended: tidy() has not been called
  storage->tidy();
  put_large(*storage, 5);
  CHECK(pages_in_log(path) < before);
  CHECK(storage->problems().empty());
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE("tidying moves what was committed meanwhile; before it is due it does nothing") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  const auto storage = open_sqlite_storage(small_steps(path)).value();
  put(*storage, {0}, "{}");
  storage->tidy();
  const auto file_before = std::filesystem::file_size(path);
  for (int i = 1; i <= 20; ++i) put_large(*storage, i);
  CHECK(std::filesystem::file_size(path) == file_before);
  storage->tidy();
  CHECK(std::filesystem::file_size(path) > 20 * 30'000);
}

TEST_CASE("a reader of an old state keeps the log, nothing fails; without it the log begins anew") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  const auto storage = open_sqlite_storage(small_steps(path)).value();
  put_large(*storage, 0);
  auto view = storage->read({}).value();
  for (int i = 1; i < 40; ++i) {
    put_large(*storage, i);
    storage->tidy();
  }
  CHECK(log_bytes(path) > 39 * 30'000);
  CHECK(view->space().memories == 1);
  view.reset();
  for (int i = 40; i < 48; ++i) {
    put_large(*storage, i);
    storage->tidy();
  }
  put_large(*storage, 48);
  CHECK(pages_in_log(path) * page < 4 * step);
  CHECK(storage->problems().empty());
}

TEST_CASE("four writers and four readers: the log stays small, and every state is sound") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  Options options = small_steps(path);
  options.disk_budget = 0;
  options.embedder = nullptr;
  std::atomic<std::uint64_t> most{0};
  std::atomic<int> failed{0};
  {
    options.busy_timeout = std::chrono::seconds(30);
    Options small = options;
    small.disk_budget = 64 * step;
    options.storage = open_sqlite_storage(small).value();
    const auto memory = FractalMemory::open(options).value();
    std::vector<std::thread> threads;
    for (int writer = 0; writer < 4; ++writer) {
      threads.emplace_back([&, writer] {
        const auto space = memory.in({.tenant = std::to_string(writer), .name = "notes"});
        for (int i = 0; i < 250; ++i) {
          const std::string payload = R"({"n":)" + std::to_string(i) + R"(,"text":")" + std::string(8'000, 'x') + "\"}";
          if (!space.store({.coordinate = {static_cast<double>(i % 50)}, .payload = payload})) ++failed;
          most = std::max<std::uint64_t>(most, log_bytes(path));
        }
      });
      threads.emplace_back([&, writer] {
        const auto space = memory.in({.tenant = std::to_string(writer), .name = "notes"});
        for (int i = 0; i < 500; ++i) {
          const auto found = space.retrieve({static_cast<double>(i % 50)});
          if (!found && found.error().code != Errc::not_found) ++failed;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(failed == 0);
    CHECK(memory.verify().value().problems.empty());
    CHECK(memory.health().value().ok);
  }
  CHECK(most > 0);
  MESSAGE("at most " << most.load() << " bytes");
  CHECK(most < 128 * step);  // some 40 MB went through it, in steps of 256 kB
  const auto again = FractalMemory::open(options_for(path)).value();
  for (int writer = 0; writer < 4; ++writer) {
    const auto space = again.in({.tenant = std::to_string(writer), .name = "notes"});
    for (int i = 0; i < 50; ++i) {
      const auto kept = space.retrieve({static_cast<double>(i)}).value();
      CHECK(kept.payload.find("\"n\":" + std::to_string(200 + i) + ",") != std::string::npos);
    }
  }
}
