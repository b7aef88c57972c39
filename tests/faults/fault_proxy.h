// Between clients and a server's socket: passes on what both say, and breaks what it is told to.
//
//   FaultProxy proxy("/tmp/server/.s.PGSQL.5432");
//   ... connect to host=proxy.folder() ...
//   proxy.break_one_in(100, every_network_fault, seed);
//   ...
//   proxy.calm();
//
// A server on a port of 127.0.0.1 is "tcp:PORT", and the proxy then listens on port().
//
// A request is what a client sends before it waits: with libpq the statements of one pipeline, up to 64 KiB of them.
#ifndef FRACTAL_TESTS_FAULTS_FAULT_PROXY_H
#define FRACTAL_TESTS_FAULTS_FAULT_PROXY_H

#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace fractal::testing {

enum class NetworkFault {
  delay,                 // the request is held up for up to 200 ms
  reset_before_sending,  // the connection ends, the request has not been sent on
  reset_after_sending,   // the connection ends, the server does what was asked
  cut_reply,             // the same, but for the first part of the reply
  black_hole,            // the request is swallowed, and all that follows: nobody ever answers
  lost_reply,            // the server does what was asked, then as black_hole
};
inline constexpr std::array every_network_fault{
    NetworkFault::delay,     NetworkFault::reset_before_sending, NetworkFault::reset_after_sending,
    NetworkFault::cut_reply, NetworkFault::black_hole,           NetworkFault::lost_reply};

// Any thread.
class FaultProxy {
 public:
  explicit FaultProxy(std::string server_socket);
  ~FaultProxy();  // ends every connection
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // The socket of the proxy lies in it under the server's name: for host=.
  std::string folder() const { return folder_.path().string(); }

  std::uint16_t port() const { return port_; }

  // Each byte takes so long, each way, from now on.
  void add_latency(std::chrono::microseconds each_way) { latency_ = each_way.count(); }
  // From now on one request in n, on the average, meets one of these.
  void break_one_in(std::size_t n, std::span<const NetworkFault> faults, std::uint64_t seed);
  // The next request meets this fault; break_next_commit: the next that has a COMMIT in it.
  void break_next(NetworkFault fault);
  void break_next_commit(NetworkFault fault);
  // No further faults. What is broken stays broken.
  void calm();

  std::uint64_t met(NetworkFault fault) const { return met_[static_cast<std::size_t>(fault)]; }

 private:
  class Conversation;
  void accept_clients();
  void forget_finished();
  std::optional<NetworkFault> fault_of_request(bool commits);
  std::chrono::microseconds random_delay();

  TemporaryFolder folder_{};
  const std::string server_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> latency_ = 0;  // microseconds
  std::array<std::atomic<std::uint64_t>, every_network_fault.size()> met_{};

  std::mutex mutex_;  // of what follows
  Random random_{0};
  std::size_t one_in_ = 0;
  std::vector<NetworkFault> faults_{};
  std::optional<NetworkFault> next_{}, next_commit_{};
  std::vector<std::unique_ptr<Conversation>> conversations_{};

  std::thread acceptor_{};
};

}  // namespace fractal::testing

#endif
