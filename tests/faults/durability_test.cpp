// What Options::durability promises, told from the order of writes and syncs.
#include "tests/faults/fault_vfs.h"
#include "tests/faults/picture.h"
#include "tests/temporary_folder.h"

#include <fractal/backend.h>
#include <fractal/format.h>

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fractal::testing {
namespace {

bool is_log(const IoEvent& event) {
  constexpr std::string_view suffix = "-wal";
  return event.file.size() > suffix.size() &&
         event.file.compare(event.file.size() - suffix.size(), suffix.size(), suffix) == 0;
}

struct Tally {
  std::size_t writes = 0, syncs = 0;
  bool synced_last = false;  // no write to the log since its last sync
  bool moved = false;        // the log was moved into the file, as happens once in 1,000 pages
};

Tally tally_of(const std::vector<IoEvent>& events) {
  Tally tally;
  for (const IoEvent& event : events) {
    if (!is_log(event)) {
      tally.moved = tally.moved || (event.kind == Io::write && event.file.ends_with("watched.db"));
      continue;
    }
    if (event.kind == Io::write) ++tally.writes;
    if (event.kind == Io::sync) ++tally.syncs;
    tally.synced_last = event.kind == Io::sync;
  }
  return tally;
}

// Looks at each commit from its first to its last call, while no other can run.
class WatchedStorage final : public StorageWrapper {
 public:
  WatchedStorage(std::shared_ptr<Storage> inner, FaultVfs& vfs) : StorageWrapper(std::move(inner)), vfs_(vfs) {}

  Result<void> apply(std::span<WriteStep> steps) override {
    const std::size_t begin = vfs_.log_size();
    auto done = inner_->apply(steps);
    const Tally tally = tally_of(vfs_.log_from(begin));
    const auto view = inner_->read(Space{});
    const std::lock_guard lock(mutex_);
    tallies_.push_back(tally);
    if (done && tally.synced_last && view) durable_ = (*view)->space().sequence;
    steps_ += steps.size();
    return done;
  }

  std::uint64_t durable_sequence() const { return durable_; }
  std::vector<Tally> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(tallies_, {});
  }
  std::size_t steps() const { return steps_; }

 private:
  FaultVfs& vfs_;
  std::mutex mutex_;
  std::vector<Tally> tallies_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::size_t> steps_{0};
};

struct Watched {
  Watched(FaultVfs& vfs, Durability durability) {
    Options options = standing_clock({.path = folder.file("watched.db"), .durability = durability});
    storage = std::make_shared<WatchedStorage>(open_sqlite_storage(options).value(), vfs);
    options.storage = storage;
    vfs.start_log();
    memory = FractalMemory::open(options);
    // The log's header has a sync of its own: with the first commit.
    memory->store(numbered_memory(0)).value();
    storage->take();
  }
  TemporaryFolder folder;
  std::shared_ptr<WatchedStorage> storage;
  Result<FractalMemory> memory = Error{};
};

TEST_CASE("full: one sync a commit, after its last write and before the call returns") {
  FaultVfs vfs;
  Watched watched(vfs, Durability::full);
  for (int i = 1; i <= 20; ++i) {
    const std::size_t begin = vfs.log_size();
    Batch batch;
    for (int j = 0; j < i; ++j) batch.store(numbered_memory(100 * i + j));
    watched.memory->apply(batch).value();
    const Tally tally = tally_of(vfs.log_from(begin));
    CHECK(tally.writes > 0);
    CHECK(tally.syncs == 1);
    CHECK(tally.synced_last);
  }
}

TEST_CASE("full: commits shared by 16 writers have one sync each, and no write returns before its own") {
  FaultVfs vfs;
  Watched watched(vfs, Durability::full);
  constexpr int writers = 16, writes_each = 25;
  std::atomic<int> early{0}, failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < writers; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < writes_each; ++i) {
        const auto written = watched.memory->store(numbered_memory(1000 * (t + 1) + i));
        if (!written) {
          ++failed;
        } else if (written->sequence > watched.storage->durable_sequence()) {
          ++early;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(early == 0);
  const auto commits = watched.storage->take();
  std::size_t new_logs = 0;  // that may begin at a later commit, once no reader needs the old one
  for (const Tally& commit : commits) {
    CHECK(commit.writes > 0);
    CHECK(commit.syncs >= 1);
    // Moving the log syncs it once more, and so does the header of the log that is begun after that.
    const std::size_t ordinary = commit.moved ? 2 : 1;
    CHECK(commit.syncs <= ordinary + new_logs);
    if (commit.syncs > ordinary) new_logs = 0;
    if (commit.moved) new_logs = 1;
    CHECK(commit.synced_last);
  }
  CHECK(watched.storage->steps() >= writers * writes_each);
  CHECK(commits.size() <= writers * writes_each);
  MESSAGE(fmt::format("{} writes in {} commits", writers * writes_each, commits.size()));
  CHECK(watched.memory->stats()->memories == writers * writes_each + 1);
}

TEST_CASE("normal: no sync a commit, but the log before the file when it is moved there") {
  FaultVfs vfs;
  Watched watched(vfs, Durability::normal);
  for (int i = 1; i <= 20; ++i) watched.memory->store(numbered_memory(i)).value();
  for (const Tally& commit : watched.storage->take()) {
    CHECK(commit.writes > 0);
    CHECK(commit.syncs == 0);
  }
  const std::size_t begin = vfs.log_size();
  watched.memory->maintain().value();
  const auto events = vfs.log_from(begin);
  bool log_synced = false, file_written = false, file_synced = false;
  for (const IoEvent& event : events) {
    if (is_log(event) && event.kind == Io::sync) log_synced = true;
    if (is_log(event) || event.file.empty()) continue;
    if (event.kind == Io::write) {
      CHECK(log_synced);
      file_written = true;
      file_synced = false;
    }
    if (event.kind == Io::sync) file_synced = true;
  }
  CHECK(file_written);
  CHECK(file_synced);
}

TEST_CASE("off: no sync at all once the file is open, not even when it is closed") {
  FaultVfs vfs;
  std::size_t begin = 0;
  {
    Watched watched(vfs, Durability::off);
    begin = vfs.log_size();
    for (int i = 1; i <= 20; ++i) watched.memory->store(numbered_memory(i)).value();
    watched.memory->maintain().value();
  }
  std::size_t writes = 0, syncs = 0;
  for (const IoEvent& event : vfs.log_from(begin)) {
    if (event.kind == Io::write) ++writes;
    if (event.kind == Io::sync) ++syncs;
  }
  CHECK(writes > 0);
  CHECK(syncs == 0);
}

}  // namespace
}  // namespace fractal::testing
