// One connection to a Redis. hiredis stays in connection.cpp.
#ifndef FRACTAL_BACKENDS_REDIS_CONNECTION_H
#define FRACTAL_BACKENDS_REDIS_CONNECTION_H

#include "backends/redis/address.h"

#include <fractal/result.h>

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
};

// Any bytes. With a script: what follows behind it, the number of keys first.
struct Command {
  std::vector<std::string_view> words{};
  const char* script = nullptr;  // Lua; lives as long as the program
};

// One thread at a time.
class Connection {
 public:
  // How it ended. lost: the other side closed it, so that it may be asked again by another; silent: no answer in time.
  enum class State { open, lost, silent };

  // Logs in, too. `unavailable`: nobody answers, or nobody is let in (then `refused` is set); unsupported: before Redis 6.
  static Result<std::unique_ptr<Connection>> open(const Address& address, const Endpoint& endpoint,
                                                  std::chrono::milliseconds timeout, bool& refused);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends all, and takes a reply for each; what the server calls an error is a reply. An error here ends the connection:
  // what was asked has been done, or not, or in part. A signal of a broken pipe is never raised.
  Result<std::vector<Reply>> ask(std::span<const Command> commands, Clock::time_point deadline);
  State state() const noexcept { return state_; }
  // Whether it lies idle as it should: not closed by the other side, and nothing there that nobody asked for.
  bool lies_idle() const;
  std::string name() const { return endpoint_.name(); }
  const Endpoint& endpoint() const noexcept { return endpoint_; }

 private:
  struct Context;
  Connection(std::unique_ptr<Context> context, Endpoint endpoint);
  Result<void> log_in(const Address& address, Clock::time_point deadline, bool& refused);
  Result<void> send(std::string_view bytes, Clock::time_point deadline);
  Result<Reply> receive(Clock::time_point deadline);
  Result<void> wait(short events, Clock::time_point deadline);
  Error ended(State state, std::string_view why);
  std::string formatted(const Command& command) const;

  std::unique_ptr<Context> context_;
  Endpoint endpoint_;
  State state_ = State::open;
  std::vector<std::pair<const char*, std::string>> digests_{};  // of the scripts that the server has
};

}  // namespace fractal::redis_backend

#endif
