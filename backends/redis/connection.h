// One connection to a Redis. hiredis stays in connection.cpp.
#ifndef FRACTAL_BACKENDS_REDIS_CONNECTION_H
#define FRACTAL_BACKENDS_REDIS_CONNECTION_H

#include "backends/redis/address.h"

#include <fractal/fractal_memory.h>
#include <fractal/result.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::redis_backend {

using Clock = std::chrono::steady_clock;

struct Reply {
  enum class Kind { nothing, text, number, list, error };
  Kind kind = Kind::nothing;
  std::string text{};  // of an error: the server's words
  std::int64_t number = 0;
  std::vector<Reply> list{};

  bool is_error(std::string_view beginning) const { return kind == Kind::error && text.starts_with(beginning); }
  // Also of a script's command, which Redis 6 tells in the middle of its own words.
  bool is_read_only() const {
    return is_error("READONLY") || (kind == Kind::error && text.find("-READONLY ") != text.npos);
  }
};

// Any bytes. With a script: what follows behind it, the number of keys first.
struct Command {
  std::vector<std::string_view> words{};
  const char* script = nullptr;  // Lua; lives as long as the program
};

// How long an answer is waited for: until then, and as long as the caller still wants it.
struct Patience {
  Clock::time_point until = Clock::time_point::max();
  const Control* control = nullptr;
  const std::atomic<bool>* stopping = nullptr;

  // unavailable: the caller does not want it any more from whom he asks.
  Result<void> check(const Endpoint& whom) const;
  // When to look again whether he does: `until`, or soon.
  Clock::time_point next_check() const;
};

// One thread at a time.
class Connection {
 public:
  // How it ended. lost: the other side closed it, so that it may be asked again by another; silent: no answer in time;
  // given_up: the caller did not want it any more, which says nothing about the server.
  enum class State { open, lost, silent, given_up };

  // Logs in, too. `unavailable`: nobody answers, or nobody is let in (then `refused` is set); unsupported: before Redis 6.
  static Result<std::unique_ptr<Connection>> open(const Address& address, const Endpoint& endpoint,
                                                  std::chrono::milliseconds timeout, bool& refused);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends all, and takes a reply for each; what the server calls an error is a reply. An error here ends the connection:
  // what was asked has been done, or not, or in part. A signal of a broken pipe is never raised.
  Result<std::vector<Reply>> ask(std::span<const Command> commands, const Patience& patience);
  State state() const noexcept { return state_; }
  // Whether it lies idle as it should: not closed by the other side, and nothing there that nobody asked for.
  bool lies_idle() const;
  std::string name() const { return endpoint_.name(); }
  const Endpoint& endpoint() const noexcept { return endpoint_; }

 private:
  struct Context;
  Connection(std::unique_ptr<Context> context, Endpoint endpoint);
  Result<void> log_in(const Address& address, Clock::time_point deadline, bool& refused);
  Result<void> send(std::string_view bytes, const Patience& patience);
  Result<Reply> receive(const Patience& patience);
  Result<void> wait(short events, const Patience& patience);
  Error ended(State state, std::string_view why);
  std::string formatted(const Command& command) const;

  std::unique_ptr<Context> context_;
  Endpoint endpoint_;
  State state_ = State::open;
  std::vector<std::pair<const char*, std::string>> digests_{};  // of the scripts that the server has
};

}  // namespace fractal::redis_backend

#endif
