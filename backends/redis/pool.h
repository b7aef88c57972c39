// The connections to a Redis, and what happens when it does not answer.
#ifndef FRACTAL_BACKENDS_REDIS_POOL_H
#define FRACTAL_BACKENDS_REDIS_POOL_H

#include "backends/redis/connection.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fractal::redis_backend {

// Any thread. After a failure nobody asks for a while, which doubles from 50 ms to 2 s, and every call is `unavailable` at
// once; then one caller tries, and only when that went well do the others.
class Pool {
 public:
  struct Limits {
    std::size_t most_connections = 16;
    std::chrono::milliseconds connect_timeout{500}, call_timeout{250};
  };
  // again: if the connection breaks, they are asked once more by another; both may have been done then.
  enum class Repeat { never, again };

  Pool(Address address, Limits limits) : address_(std::move(address)), limits_(limits) {}

  // Whether somebody answers now. An error: he lets nobody in. False: nobody does.
  Result<bool> try_out();
  // A reply for each command. A node of a cluster that says where the slot is leads us there. Who gives up (a control's
  // deadline or cancel flag, `stopping`) is let go while he waits for a free connection or for replies; to connect may
  // take connect_timeout.
  Result<std::vector<Reply>> ask(std::span<const Command> commands, Repeat repeat, const Control* control = nullptr,
                                 const std::atomic<bool>* stopping = nullptr);
  std::string name() const { return address_.endpoint.name(); }
  const Endpoint& endpoint() const noexcept { return address_.endpoint; }
  // Why nobody is asked at present; empty: it answered when it was asked last.
  std::string problem();

 private:
  struct Leave {
    void operator()(Pool* pool) const;
  };
  using Place = std::unique_ptr<Pool, Leave>;  // one of most_connections, which its owner takes up
  struct Lease {
    Place place{};
    std::unique_ptr<Connection> connection{};
    std::uint64_t era = 0;
    bool used_before = false;
  };

  Result<Lease> lease(bool anew, const Patience& patience);
  Result<std::unique_ptr<Connection>> connect(bool& refused);
  void give_back(Lease lease);
  // Of these two, mutex_ is held.
  void fail(const Error& error, std::uint64_t era);
  void forget_idle();
  bool follow(const std::vector<Reply>& replies, const Endpoint& from);

  const Address address_;
  const Limits limits_;
  std::mutex mutex_;  // of what follows
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_{};
  std::size_t open_ = 0;             // with those that are being made
  std::optional<Endpoint> moved_{};  // the node of a cluster that has our slot
  // What was leased before a failure says nothing about what came after it.
  std::uint64_t era_ = 0;
  std::string problem_{};  // empty: it answered when it was asked last
  bool trying_ = false;    // somebody finds out whether it is over
  std::chrono::milliseconds pause_{0};
  Clock::time_point silent_until_{};
};

}  // namespace fractal::redis_backend

#endif
