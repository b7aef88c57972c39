// A server in this process, asked by many threads at once while tokens are read again, sessions come and go and the
// memory is used beside it; and stopped in the middle of it all.
#include "tests/temporary_folder.h"

#include <fractal/server.h>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

// SHA-256 of "secret".
constexpr const char* tokens = R"({"tokens": [{"name": "all", "tenants": ["*"], "permissions": ["admin"],
  "sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}]})";

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(context_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
  }

  // The status; 0: the connection ended.
  unsigned ask(http::verb method, const std::string& target, const std::string& body = {}) {
    http::request<http::string_body> request{method, target, 11, body};
    request.set(http::field::host, "here");
    request.set(http::field::authorization, "Bearer secret");
    request.prepare_payload();
    boost::system::error_code error;
    http::write(socket_, request, error);
    answer_ = {};
    if (!error) http::read(socket_, buffer_, answer_, error);
    return error ? 0 : answer_.result_int();
  }
  const std::string& answer() const { return answer_.body(); }

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  http::response<http::string_body> answer_;
};

struct Setting {
  Setting() {
    std::ofstream(folder.file("tokens.json")) << tokens;
    server.emplace(
        Server::start(memory, {.port = 0, .token_file = folder.file("tokens.json"), .rate_limit = 1e6}).value());
  }
  testing::TemporaryFolder folder;
  FractalMemory memory = FractalMemory::open(folder.file("memory.db")).value();
  std::optional<Server> server;
};

// One round of everything that a client may do; the statuses must be these, or 0 once the server stops.
bool round(Client& client, int thread, int i) {
  const std::string coordinate = fmt::format("{},{}", thread, i);
  const std::string body = fmt::format(R"({{"coord": "{}", "payload": {{"text": "green tea {}"}}}})", coordinate, i);
  const auto good = [&](http::verb method, const std::string& target, const std::string& sent = {}) {
    const unsigned status = client.ask(method, target, sent);
    if (status != 0) CHECK_MESSAGE(status == 200, target << " " << client.answer());
    return status == 200;
  };
  return good(http::verb::post, "/memories", body) && good(http::verb::get, "/memories/" + coordinate) &&
         good(http::verb::post, "/memories/search", R"({"query": "green tea"})") &&
         good(http::verb::get, "/changes?after=0&follow=false") && good(http::verb::get, "/metrics") &&
         good(http::verb::post, "/sessions", R"({"expires_in": 60})") && good(http::verb::get, "/healthz") &&
         (i % 5 != 0 || good(http::verb::get, "/memories?limit=1000"));
}

}  // namespace

TEST_CASE("many clients, tokens that are read again, and the memory beside") {
  Setting setting;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Client client(setting.server->port());
      for (int i = 0; i < 25; ++i) CHECK(round(client, t, i));
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 50; ++i) {
      CHECK(setting.server->reload_tokens());
      setting.memory.store({.coordinate = {9, static_cast<double>(i)}, .payload = R"({"text": "beside"})"}).value();
    }
  });
  for (std::thread& thread : threads) thread.join();
  CHECK(setting.memory.stats().value().memories == 4 * 25 + 50);
  CHECK(setting.memory.verify().value().ok());
}

TEST_CASE("a stop while everybody asks: what was answered is there") {
  Setting setting;
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Client client(setting.server->port());
      int i = 0;
      const auto store = [&] {
        const std::string body = fmt::format(R"({{"coord": "{},{}", "payload": {{}}}})", t, i);
        return client.ask(http::verb::post, "/memories", body) == 200;
      };
      for (; store(); ++i) ++stored;
    });
  }
  threads.emplace_back([&] {
    Client client(setting.server->port());
    CHECK(client.ask(http::verb::get, "/changes?after=0") == 200);  // ends with the server
  });
  while (stored < 30) std::this_thread::yield();
  setting.server->stop();
  for (std::thread& thread : threads) thread.join();
  CHECK(setting.memory.stats().value().memories >= static_cast<std::uint64_t>(stored));
}
