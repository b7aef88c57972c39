// The network breaks, the server is killed: no answer is wrong or short, nothing is lost, and when all is well again the
// index has just what the rows have. FRACTAL_FAULT_SECONDS of each kind: 8.
#include "tests/conformance/index_pair.h"
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

using Pair = testing::IndexPair<MilvusIndex>;

Pair::Opened on(MilvusOptions options) {
  return [options = std::move(options)](const auto& storage) { return open_milvus_index(options, storage).value(); };
}

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
    const Pair pair(on({.url = "milvus://127.0.0.1:" + std::to_string(proxy.port()),
                        .wait = wait,
                        .connect_timeout = std::chrono::milliseconds(500),
                        .call_timeout = std::chrono::milliseconds(400),
                        .grace = std::chrono::seconds(4)}));
    for (int i = 0; i < 100; ++i) pair.change(random);
    proxy.break_one_in(25, testing::every_network_fault, seed);
    std::size_t writes = 0, searches = 0;
    for (const auto end = Clock::now() + testing::duration(); Clock::now() < end; ++searches) {
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
  const Pair pair(on({.url = server.url(),
                      .connect_timeout = std::chrono::milliseconds(500),
                      .call_timeout = std::chrono::milliseconds(2'000)}));
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
  const auto found = pair.tried.search(std::vector<float>(testing::dimension, 1.0F)).value();
  CHECK(found.plan.find("rows") == std::string::npos);
}
