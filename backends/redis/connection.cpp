// Invariant: after an error nothing more is asked by the same connection, so a reply is always that of its own command.
// hiredis connects, writes and reads the protocol; the socket is used here, since hiredis 0.14 knows neither a time-out for
// a call as a whole nor how to send without SIGPIPE.
#include "backends/redis/connection.h"

#include "src/error.h"
#include "src/validate.h"

#include <hiredis.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace fractal::redis_backend {
namespace {

constexpr std::size_t most_received = 16u << 20;  // of one reply: far beyond what we keep there
constexpr std::string_view no_script = "NOSCRIPT";
constexpr std::chrono::milliseconds between_checks{50};

Reply taken_from(const redisReply& from) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::number;
      reply.number = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::list;
      for (std::size_t i = 0; i < from.elements; ++i) reply.list.push_back(taken_from(*from.element[i]));
      break;
    case REDIS_REPLY_NIL: break;
    default:
      reply.kind = from.type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text;
      reply.text.assign(from.str, from.len);
  }
  return reply;
}

timeval as_timeval(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = 1000 * (time.count() % 1000)};
}

std::string words_of(int error) { return std::generic_category().message(error); }

// The number behind "redis_version:" in what INFO says; 0: it says none.
unsigned version_in(std::string_view info) {
  constexpr std::string_view name = "redis_version:";
  const auto at = info.find(name);
  unsigned version = 0;
  if (at != info.npos) std::from_chars(info.data() + at + name.size(), info.data() + info.size(), version);
  return version;
}

}  // namespace

Result<void> Patience::check(const Endpoint& whom) const {
  if (stopping != nullptr && *stopping) return make_error(Errc::unavailable, "{}: it is being closed", whom.name());
  return control != nullptr ? check_control(*control, "vector index") : Result<void>();
}

Clock::time_point Patience::next_check() const {
  if (control == nullptr && stopping == nullptr) return until;
  const auto soon = std::min(until, Clock::now() + between_checks);
  return control != nullptr ? std::min(soon, control->deadline) : soon;
}

struct Connection::Context {
  explicit Context(redisContext* given) : redis(given) {}
  ~Context() { redisFree(redis); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  redisContext* redis;
};

Connection::Connection(std::unique_ptr<Context> context, Endpoint endpoint)
    : context_(std::move(context)), endpoint_(std::move(endpoint)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const Address& address, const Endpoint& endpoint,
                                                     std::chrono::milliseconds timeout, bool& refused) {
  const auto deadline = Clock::now() + timeout;
  redisContext* const made = endpoint.host.empty()
                                 ? redisConnectUnixWithTimeout(endpoint.path.c_str(), as_timeval(timeout))
                                 : redisConnectWithTimeout(endpoint.host.c_str(), endpoint.port, as_timeval(timeout));
  if (made == nullptr) return make_error(Errc::unavailable, "{}: no memory for a connection", endpoint.name());
  auto context = std::make_unique<Context>(made);
  if (made->err != 0) {
    return make_error(Errc::unavailable, "{}: {}", endpoint.name(), static_cast<const char*>(made->errstr));
  }
  ::fcntl(made->fd, F_SETFD, FD_CLOEXEC);
  if (!endpoint.host.empty()) redisEnableKeepAlive(made);
  std::unique_ptr<Connection> connection(new Connection(std::move(context), endpoint));
  FRACTAL_TRY(connection->log_in(address, deadline, refused));
  return connection;
}

Result<void> Connection::log_in(const Address& address, Clock::time_point deadline, bool& refused) {
  std::vector<Command> commands;
  if (!address.user.empty()) {
    commands.push_back({{"AUTH", address.user, address.password}});
  } else if (!address.password.empty()) {
    commands.push_back({{"AUTH", address.password}});
  }
  const std::string database = fmt::to_string(address.database);
  if (address.database != 0) commands.push_back({{"SELECT", database}});
  commands.push_back({{"PING"}});
  commands.push_back({{"INFO", "server"}});  // it may be forbidden: then we take it to be new enough
  FRACTAL_TRY_INTO(const auto replies, ask(commands, {.until = deadline}));
  for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
    if (replies[i].kind != Reply::Kind::error) continue;
    refused = !replies[i].is_error("LOADING") && !replies[i].is_error("MASTERDOWN");
    return make_error(Errc::unavailable, "{}: {}: {}", name(), commands[i].words.front(), replies[i].text);
  }
  const unsigned version = replies.back().kind == Reply::Kind::text ? version_in(replies.back().text) : 0;
  if (version == 0 || version >= 6) return {};
  refused = true;
  return make_error(Errc::unsupported, "{}: Redis {} is older than 6", name(), version);
}

Error Connection::ended(State state, std::string_view why) {
  state_ = state;
  return make_error(Errc::unavailable, "{}: {}", name(), why);
}

Result<void> Connection::wait(short events, const Patience& patience) {
  for (;;) {
    if (auto wanted = patience.check(endpoint_); !wanted) {
      state_ = State::given_up;
      return wanted;
    }
    if (Clock::now() >= patience.until) return ended(State::silent, "no answer in time");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience.next_check() - Clock::now()).count();
    pollfd end{.fd = context_->redis->fd, .events = events, .revents = 0};
    const int ready = ::poll(&end, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return ended(State::lost, words_of(errno));
  }
}

Result<void> Connection::send(std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(context_->redis->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      FRACTAL_TRY(wait(POLLOUT, patience));
    } else if (errno != EINTR) {
      return ended(State::lost, words_of(errno));
    }
  }
  return {};
}

Result<Reply> Connection::receive(const Patience& patience) {
  redisReader* const reader = context_->redis->reader;
  std::array<char, 16'384> bytes{};
  for (std::size_t received = 0;;) {
    void* whole = nullptr;
    if (redisReaderGetReply(reader, &whole) != REDIS_OK) {
      return ended(State::lost, static_cast<const char*>(reader->errstr));
    }
    if (whole != nullptr) {
      const std::unique_ptr<void, decltype(&freeReplyObject)> reply(whole, &freeReplyObject);
      return taken_from(*static_cast<const redisReply*>(reply.get()));
    }
    const ssize_t got = ::recv(context_->redis->fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0) {
      received += static_cast<std::size_t>(got);
      if (received > most_received) return ended(State::lost, "a reply without end");
      redisReaderFeed(reader, bytes.data(), static_cast<std::size_t>(got));
    } else if (got == 0) {
      return ended(State::lost, "the server closed the connection");
    } else if (errno == EAGAIN) {
      FRACTAL_TRY(wait(POLLIN, patience));
    } else if (errno != EINTR) {
      return ended(State::lost, words_of(errno));
    }
  }
}

// A script by its digest, if the server is known to have it; else as a whole.
std::string Connection::formatted(const Command& command) const {
  std::vector<std::string_view> words = command.words;
  if (command.script != nullptr) {
    const auto known = std::find_if(digests_.begin(), digests_.end(),
                                    [&](const auto& digest) { return digest.first == command.script; });
    words.insert(words.begin(), known == digests_.end() ? std::string_view(command.script) : known->second);
    words.insert(words.begin(), known == digests_.end() ? "EVAL" : "EVALSHA");
  }
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* made = nullptr;
  const auto size = redisFormatCommandArgv(&made, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owner(made, &redisFreeCommand);
  return {made, static_cast<std::size_t>(size)};
}

Result<std::vector<Reply>> Connection::ask(std::span<const Command> commands, const Patience& patience) {
  std::string bytes;
  for (const Command& command : commands) bytes += formatted(command);
  FRACTAL_TRY(send(bytes, patience));
  std::vector<Reply> replies;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    FRACTAL_TRY_INTO(Reply reply, receive(patience));
    replies.push_back(std::move(reply));
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const Command& command = commands[i];
    if (command.script == nullptr) continue;
    const bool known = std::any_of(digests_.begin(), digests_.end(),
                                   [&](const auto& digest) { return digest.first == command.script; });
    if (replies[i].is_error(no_script)) {  // the server was emptied of them
      std::erase_if(digests_, [&](const auto& digest) { return digest.first == command.script; });
      FRACTAL_TRY_INTO(auto again, ask({&command, 1}, patience));
      replies[i] = std::move(again.front());
    } else if (!known && replies[i].kind != Reply::Kind::error) {
      const Command load{{"SCRIPT", "LOAD", command.script}};
      FRACTAL_TRY_INTO(const auto loaded, ask({&load, 1}, patience));
      if (loaded.front().kind == Reply::Kind::text) digests_.emplace_back(command.script, loaded.front().text);
    }
  }
  return replies;
}

bool Connection::lies_idle() const {
  pollfd end{.fd = context_->redis->fd, .events = POLLIN, .revents = 0};
  return state_ == State::open && ::poll(&end, 1, 0) == 0;
}

}  // namespace fractal::redis_backend
