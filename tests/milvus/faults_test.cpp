// The network breaks, the server is killed: no answer is wrong or short, nothing is lost, and when all is well again the
// index has just what the rows have. FRACTAL_FAULT_SECONDS of each kind: 8.
#include "tests/milvus/server.h"
#include "tests/postgres/fault_proxy.h"

#include <fractal/format.h>
#include <fractal/milvus.h>

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <signal.h>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t dimension = 12;

std::chrono::seconds duration() {
  return std::chrono::seconds(testing::number_from_environment("FRACTAL_FAULT_SECONDS", 8));
}

std::vector<float> vector_of(testing::Random& random) {
  std::vector<float> vector(dimension);
  for (float& x : vector) x = static_cast<float>(random.below(2'001)) / 1'000.0F - 1.0F;
  vector[0] += 3;
  return vector;
}

// A storage, with the index on trial and, for what is right, the built-in one.
struct Pair {
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::shared_ptr<MilvusIndex> index;
  FractalMemory tried, right;

  explicit Pair(MilvusOptions options)
      : index(open_milvus_index(options, storage).value()), tried(open(index)), right(open(make_flat_index())) {}
  FractalMemory open(std::shared_ptr<VectorIndex> by) const {
    Options options{.embedder = nullptr, .storage = storage};
    options.vector_index = std::move(by);
    return FractalMemory::open(options).value();
  }

  void change(testing::Random& random) const {
    const Coordinate coordinate{static_cast<double>(random.below(2'000))};
    if (random.one_in(5)) {
      const auto removed = tried.remove(coordinate);
      CHECK((removed.has_value() || removed.error().code == Errc::not_found));
    } else {
      CHECK(
          tried.store({.coordinate = coordinate, .payload = R"({"a":1})", .embedding = vector_of(random)}).has_value());
    }
  }

  // While nobody writes.
  void compare(testing::Random& random) const {
    const auto vector = vector_of(random);
    SearchOptions how{.top_k = 1 + random.below(30)};
    if (random.coin()) how.filter = Filter::eq("a", 1);
    const auto found = tried.search(vector, how);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    const auto expected = right.search(vector, how).value();
    CHECK(found->matched == expected.matched);
    REQUIRE(found->hits.size() == expected.hits.size());
    for (std::size_t i = 0; i < found->hits.size(); ++i) {
      CHECK(found->hits[i].score == expected.hits[i].score);
      CHECK(found->hits[i].memory.id == expected.hits[i].memory.id);
    }
  }

  void settle() const {
    const auto view = storage->read({}).value();
    const auto until = Clock::now() + std::chrono::seconds(60);
    while (index->applied(view->space().number) < view->space().sequence && Clock::now() < until) {
      (void)tried.search(std::vector<float>(dimension, 1.0F));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(index->applied(view->space().number) == view->space().sequence);
    const auto pull = [&](std::uint64_t after, const VectorVisitor& visit) {
      return view->vectors(after, VectorColumns::fields, visit);
    };
    auto report = index->reconcile(view->space(), pull, {});
    // The last call of before may have failed: then nobody asks for a while.
    while (!report && report.error().code == Errc::unavailable && Clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      report = index->reconcile(view->space(), pull, {});
    }
    REQUIRE_MESSAGE(report.has_value(), report.error().message);
    CHECK(report->vectors == view->space().vectors);
    CHECK(report->missing == 0);
    CHECK(report->stale == 0);
    CHECK(report->orphans == 0);
  }
};

// The server behind a URL of the tests: milvus://127.0.0.1:PORT
std::string port_of(const std::string& url) { return url.substr(url.rfind(':') + 1); }

std::string services() { return std::string(FRACTAL_TOOLS) + "/services"; }

// A server of this test's own, to be killed.
class OwnServer {
 public:
  OwnServer() { up(); }
  ~OwnServer() { run("down " + folder_); }
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  void up() { run("up " + folder_ + " milvus >" + folder_ + ".url"); }
  std::string url() const {
    std::ifstream file(folder_ + ".url");
    std::string name, url;
    file >> name >> url;
    return url;
  }
  void kill() const {
    pid_t process = 0;
    std::ifstream(folder_ + "/milvus/pid") >> process;
    REQUIRE(process > 1);
    CHECK(::kill(process, SIGKILL) == 0);
  }

 private:
  static void run(const std::string& what) {
    const int status = std::system((services() + " " + what).c_str());
    REQUIRE(status == 0);
  }
  const std::string folder_ = "/tmp/fractal_milvus_kill_" + std::to_string(::getpid());
};

}  // namespace

TEST_CASE("a network that fails: answers stay right, and afterwards nothing differs") {
  testing::FaultProxy proxy("tcp:" + port_of(testing::milvus_server()));
  for (const bool wait : {false, true}) {
    const std::uint64_t seed = testing::announced_seed("network");
    testing::Random random(seed);
    const Pair pair({.url = "milvus://127.0.0.1:" + std::to_string(proxy.port()),
                     .wait = wait,
                     .connect_timeout = std::chrono::milliseconds(500),
                     .call_timeout = std::chrono::milliseconds(400),
                     .grace = std::chrono::seconds(4)});
    for (int i = 0; i < 100; ++i) pair.change(random);
    proxy.break_one_in(25, testing::every_network_fault, seed);
    std::size_t writes = 0, searches = 0;
    for (const auto end = Clock::now() + duration(); Clock::now() < end; ++searches) {
      for (std::size_t i = random.below(6); i > 0; --i, ++writes) pair.change(random);
      pair.compare(random);
    }
    proxy.calm();
    pair.settle();
    MESSAGE(fmt::format("{} writes, {} searches, {} resets", writes, searches,
                        proxy.met(testing::NetworkFault::reset_after_sending)));
    testing::drop_milvus_collections(pair.storage->setting("milvus/identity").value().value());
  }
}

TEST_CASE("a server that is killed again and again while it is written to") {
  const std::uint64_t seed = testing::announced_seed("kills");
  testing::Random random(seed);
  OwnServer server;
  const Pair pair({.url = server.url(),
                   .connect_timeout = std::chrono::milliseconds(500),
                   .call_timeout = std::chrono::milliseconds(2'000)});
  for (int kill = 0; kill < 3; ++kill) {
    std::atomic<bool> stop{false};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(500 + 100 * kill));
      server.kill();
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
      server.up();
      stop = true;
    });
    while (!stop) {
      for (int i = 0; i < 5; ++i) pair.change(random);
      pair.compare(random);
    }
    killer.join();
    for (int i = 0; i < 20; ++i) {
      pair.change(random);
      pair.compare(random);
    }
  }
  pair.settle();
  // What was delivered is found by the index itself again.
  const auto found = pair.tried.search(std::vector<float>(dimension, 1.0F)).value();
  CHECK(found.plan.find("rows") == std::string::npos);
}
