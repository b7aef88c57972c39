// A memory over HTTP: the routes of docs/server.md, for programs in other languages and on other machines.
//
//   auto memory = fractal::FractalMemory::open("agent.db").value();
//   auto server = fractal::Server::start(memory, {.token = "a long secret"}).value();   // http://127.0.0.1:9595
//   ...
//   server.stop();
//
// It answers from threads of its own. Calls on the same FractalMemory go on beside it.
#ifndef FRACTAL_SERVER_H
#define FRACTAL_SERVER_H

#include <fractal/cache.h>
#include <fractal/fractal_memory.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fractal {

struct ServerOptions {
  std::string address = "127.0.0.1";  // numeric, IPv4 or IPv6; empty: no TCP
  std::uint16_t port = 9595;          // 0: any that is free, see Server::port()
  std::string unix_socket{};          // path of a socket to listen on as well; one that nobody serves is replaced

  // PEM files. With both, TCP speaks TLS 1.2 or later and nothing else; a unix socket never does.
  std::string tls_certificate{};
  std::string tls_key{};

  // Who may do what: a JSON file (docs/server.md), or one token that may do everything. Without either, start() needs
  // `open`, which serves everybody and therefore listens on a loopback address alone.
  std::string token_file{};
  std::string token{};
  bool open = false;
  bool private_stats = false;  // GET /stats asks for a token, too

  // Requests a second for each token and tenant; beyond: 429. Some more at once if there were few before: `rate_burst`, at
  // least as many as come in a second. 0: no limit.
  double rate_limit = 0;
  double rate_burst = 0;
  bool keep_answers = true;  // of searches, as long as nothing in their space changes
  // Of answers, sessions and rate limits; servers that share one share these. Null: one of cache_bytes in this process.
  std::shared_ptr<Cache> cache{};
  std::size_t cache_bytes = 32u << 20;

  // Further ones wait to be accepted. Never more than the process may have descriptors.
  std::size_t most_connections = 20'000;
  std::size_t most_body = 16u << 20;                     // bytes of a request; beyond: 413
  std::uint64_t most_import = std::uint64_t{4} << 30;    // bytes of POST /memories/import; beyond: 413
  std::size_t most_bodies = 256u << 20;                  // bytes of all requests that are there at once; beyond: 503
  std::uint64_t most_spooled = std::uint64_t{16} << 30;  // bytes of all exports and imports under way; beyond: 503
  // Where those lie, in files without names; empty: /var/tmp.
  std::string spool_folder{};
  std::size_t most_header = 16u << 10;               // bytes of a request line with its headers; beyond: 431
  std::chrono::milliseconds idle_timeout{75'000};    // between two requests
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to the end of its headers
  // For its body, and for the client to take the answer; of exports, imports and streams for each piece.
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds call_timeout{30'000};  // for the memory to answer; beyond: 503

  std::size_t io_threads = 2;        // they never wait for the memory, but for one row that is read
  std::size_t work_threads = 16;     // that do; writes that come at the same time share a sync
  std::size_t most_streams = 2'000;  // GET /changes at once; beyond: 503
  std::size_t most_waiting = 1'024;  // requests without a work thread; beyond: 503

  // A line of JSON for each request: never payloads, questions or tokens. "-": standard error; empty: none.
  std::string access_log{};
};

class FRACTAL_API Server {
 public:
  // Listens when it returns. invalid_argument: the options contradict each other; io: a file or an address cannot be
  // used, the message says which.
  static Result<Server> start(FractalMemory memory, ServerOptions options);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();  // stop()

  std::uint16_t port() const noexcept;  // of TCP
  // Reads the token file again; an error leaves the tokens as they were. Any thread.
  Result<void> reload_tokens();
  // Takes no more requests, answers those that are there, at most for `patience`, and returns. Any thread, once.
  void stop(std::chrono::milliseconds patience = std::chrono::milliseconds(4'500));

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractal

#endif
