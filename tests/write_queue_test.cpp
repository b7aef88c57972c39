// Whose write is committed when, and with whom: fair to tenants, in order within one.
#include "src/write_queue.h"

#include <fractal/backend.h>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;

namespace {

// Its commits wait at a gate that the test opens; it notes how many steps each had.
class GatedStorage final : public StorageWrapper {
 public:
  GatedStorage() : StorageWrapper(make_memory_storage()) {}
  Result<void> apply(std::span<WriteStep> steps) override {
    {
      std::unique_lock lock(mutex_);
      groups.push_back(steps.size());
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
    }
    return StorageWrapper::apply(steps);
  }
  void tidy() override { ++tidied; }
  void await_commit() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !groups.empty(); });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  std::vector<std::size_t> groups;
  std::atomic<int> tidied{0};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Writers that queue up one behind the other while a first commit is held at the gate.
class Crowd {
 public:
  ~Crowd() { finish(); }
  void write(const std::string& tenant, std::size_t size) {
    threads_.emplace_back([this, tenant, size, name = tenant + std::to_string(++counts_[tenant[0] == 'q'])] {
      WriteRequest request{.run = [](WriteTransaction&) -> Result<void> { return {}; },
                           .committed = [&] { order.push_back(name); },
                           .tenant = tenant,
                           .size = size};
      if (!queue.submit(request)) ++failed;
    });
    if (threads_.size() == 1) {
      storage.await_commit();
    } else {
      await_waiting(threads_.size() - 1);  // it is in the queue before the next one
    }
  }
  void finish() {
    storage.open();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  GatedStorage storage;
  WriteQueue queue{storage};
  std::vector<std::string> order;  // `committed` is called by one thread at a time
  std::atomic<int> failed{0};

 private:
  void await_waiting(std::size_t count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (queue.waiting() != count && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(queue.waiting() == count);
  }

  int counts_[2] = {0, 0};
  std::vector<std::thread> threads_;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a tenant's write waits for the commit that is under way, not for what another tenant has queued") {
  Crowd crowd;
  for (int i = 0; i < 5; ++i) crowd.write("loud", 100);
  crowd.write("quiet", 1);
  crowd.finish();
  CHECK(crowd.failed == 0);
  CHECK((crowd.order == Names{"loud1", "quiet1", "loud2", "loud3", "loud4", "loud5"}));
  CHECK((crowd.storage.groups == std::vector<std::size_t>(6, 1)));  // nor with one of its batches
}

TEST_CASE("tenants with as much to write take turns by entries; one tenant's writes keep their order") {
  Crowd crowd;
  for (int i = 0; i < 4; ++i) crowd.write("loud", 60);
  for (int i = 0; i < 4; ++i) crowd.write("quiet", 30);
  crowd.finish();
  CHECK(crowd.failed == 0);
  CHECK((crowd.order == Names{"loud1", "quiet1", "quiet2", "loud2", "quiet3", "quiet4", "loud3", "loud4"}));
}

TEST_CASE("small writes share a commit, up to 64 entries; whoever committed tidies") {
  Crowd crowd;
  for (int i = 0; i < 101; ++i) crowd.write(i % 2 == 0 ? "loud" : "quiet", 1);
  crowd.finish();
  CHECK(crowd.failed == 0);
  REQUIRE(crowd.order.size() == 101);
  CHECK((crowd.storage.groups == std::vector<std::size_t>{1, 64, 36}));
  CHECK(crowd.storage.tidied == 3);
}

TEST_CASE("a failing commit is each caller's answer, and the next group goes on") {
  struct Broken final : StorageWrapper {
    Broken() : StorageWrapper(make_memory_storage()) {}
    Result<void> apply(std::span<WriteStep> steps) override {
      if (++calls == 1) throw std::bad_alloc();
      return StorageWrapper::apply(steps);
    }
    int calls = 0;
  } storage;
  WriteQueue queue(storage);
  int committed = 0;
  WriteRequest request{.run = [](WriteTransaction&) -> Result<void> { return {}; }, .committed = [&] { ++committed; }};
  const auto first = queue.submit(request);
  REQUIRE_FALSE(first);
  CHECK(first.error().code == Errc::unavailable);
  CHECK(queue.submit(request));
  CHECK(committed == 1);
}
