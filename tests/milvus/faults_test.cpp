// The network breaks, the server is killed: no answer is wrong or short, nothing is lost, and when all is well again the
// index has just what the rows have. FRACTAL_FAULT_SECONDS of each kind: 8.
#include "tests/conformance/index_faults.h"
#include "tests/milvus/server.h"

#include <fractal/milvus.h>

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <signal.h>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using namespace std::chrono_literals;

namespace {

using Pair = testing::IndexPair;

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
    const Pair pair(on({.url = "milvus://127.0.0.1:" + std::to_string(proxy.port()),
                        .wait = wait,
                        .connect_timeout = 500ms,
                        .call_timeout = 400ms,
                        .grace = 4s}));
    testing::outlive_network(pair, proxy);
    testing::lose_all(pair.storage->setting("milvus/identity").value().value());
  }
}

TEST_CASE("a server that is killed again and again while it is written to") {
  testing::Random random(testing::announced_seed("kills"));
  OwnServer server;
  const Pair pair(on({.url = server.url(), .connect_timeout = 500ms, .call_timeout = 2s}));
  testing::outlive_kills(pair, random, [&] {
    server.kill();
    std::this_thread::sleep_for(700ms);
    server.up();
  });
}
