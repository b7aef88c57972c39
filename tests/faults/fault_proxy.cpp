// Invariant: bytes are passed on in order, whole and unchanged, until the connection meets a fault that ends that; what
// has been sent on to the server before is done by it, for its replies are read to the end.
#include "tests/faults/fault_proxy.h"

#include "tests/faults/commit_watch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <system_error>
#include <utility>

namespace fractal::testing {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds longest_delay{200};

// Of a path, or of "tcp:PORT".
struct Address {
  union {
    sockaddr any;
    sockaddr_un local;
    sockaddr_in port;
  };
  socklen_t size;
};

constexpr std::string_view tcp = "tcp:";
bool is_tcp(const std::string& server) { return server.starts_with(tcp); }

Address address_of_port(std::uint16_t port) {
  Address address{};
  address.port.sin_family = AF_INET;
  address.port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.port.sin_port = htons(port);
  address.size = sizeof address.port;
  return address;
}

Address address_of(const std::string& server) {
  if (is_tcp(server)) return address_of_port(static_cast<std::uint16_t>(std::stoul(server.substr(tcp.size()))));
  Address address{};
  address.local.sun_family = AF_UNIX;
  if (server.size() >= sizeof address.local.sun_path) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(), server);
  }
  std::memcpy(address.local.sun_path, server.c_str(), server.size());
  address.size = sizeof address.local;
  return address;
}

int new_socket(const Address& of) {
  const int fd = ::socket(of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  const int yes = 1;
  if (of.any.sa_family == AF_INET) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

int listen_at(const Address& address) {
  const int fd = new_socket(address);
  if (::bind(fd, &address.any, address.size) != 0 || ::listen(fd, 128) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  return fd;
}

std::uint16_t port_of(int fd) {
  Address address{};
  address.size = sizeof address.port;
  if (::getsockname(fd, &address.any, &address.size) != 0) {
    throw std::system_error(errno, std::generic_category(), "getsockname");
  }
  return ntohs(address.port.sin_port);
}

// One end of a conversation, and what is on its way to it.
class End {
 public:
  explicit End(int fd) : fd_(fd) { ::fcntl(fd_, F_SETFL, O_NONBLOCK); }
  ~End() { ::close(fd_); }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  void send_at(Clock::time_point due, std::string bytes) { waiting_.push_back({due, std::move(bytes)}); }
  bool waits() const { return !waiting_.empty(); }
  Clock::time_point due() const { return waiting_.empty() ? Clock::time_point::max() : waiting_.front().due; }

  // What is due, as far as the other program takes it. False: it is gone.
  bool deliver() {
    while (due() <= Clock::now()) {
      std::string& bytes = waiting_.front().bytes;
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      bytes.erase(0, static_cast<std::size_t>(sent));
      if (!bytes.empty()) return true;
      waiting_.pop_front();
    }
    return true;
  }

  // What has come; empty and false: the other program is gone.
  bool receive(std::string& bytes) {
    bytes.resize(64u << 10);
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  // What to wait for as of `now`, and the moment when that changes.
  pollfd events(Clock::time_point now) const {
    return {.fd = fd_, .events = static_cast<short>(POLLIN | (due() <= now ? POLLOUT : 0)), .revents = 0};
  }
  Clock::time_point next(Clock::time_point now) const { return due() > now ? due() : Clock::time_point::max(); }
  void shut() const noexcept { ::shutdown(fd_, SHUT_RDWR); }
  void shut_sending() const noexcept { ::shutdown(fd_, SHUT_WR); }

 private:
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
  };
  int fd_;
  std::deque<Chunk> waiting_{};
};

}  // namespace

// A thread of its own.
class FaultProxy::Conversation {
 public:
  Conversation(FaultProxy& proxy, int client, int server)
      : proxy_(proxy), client_(client), server_(server), thread_([this] {
          run();
          finished_ = true;
        }) {}
  ~Conversation() {
    client_.shut();
    server_.shut();
    thread_.join();
  }
  bool finished() const noexcept { return finished_; }

 private:
  // passing: both ways. closing: the client's end is closed, the server works off what it has. swallowing: nothing passes,
  // and nobody is told.
  enum class State { passing, closing, swallowing };

  void run() {
    while (talk()) {}
    client_.shut();
    server_.shut();
  }

  // False: it is over.
  bool talk() {
    const auto now = Clock::now();
    std::array<pollfd, 2> ends{client_.events(now), server_.events(now)};
    if (state_ == State::closing) ends[0].fd = -1;
    if (server_gone_) ends[1].fd = -1;
    if (!wait(ends, std::min(client_.next(now), server_.next(now)))) return false;
    if ((ends[0].revents & ~POLLOUT) != 0 && !hear_client()) return false;
    if ((ends[1].revents & ~POLLOUT) != 0 && !hear_server()) return false;
    if (state_ != State::closing && !client_.deliver()) return false;
    if (!server_gone_ && !server_.deliver()) return false;
    if (state_ == State::closing && !server_.waits()) server_.shut_sending();
    return true;
  }

  static bool wait(std::span<pollfd> ends, Clock::time_point next) {
    constexpr std::int64_t second = 1'000'000'000;
    timespec time{};
    const bool limited = next != Clock::time_point::max();
    if (limited) {
      const std::int64_t left = std::max<std::int64_t>(std::chrono::nanoseconds(next - Clock::now()).count(), 0);
      time = {.tv_sec = left / second, .tv_nsec = left % second};
    }
    return ::ppoll(ends.data(), ends.size(), limited ? &time : nullptr, nullptr) >= 0 || errno == EINTR;
  }

  bool hear_client() {
    std::string bytes;
    if (!client_.receive(bytes)) return false;
    if (bytes.empty() || state_ != State::passing) return true;
    auto due = Clock::now() + std::chrono::microseconds(proxy_.latency_);
    const auto fault = proxy_.fault_of_request(watch_.sees_commit(bytes));
    if (fault == NetworkFault::reset_before_sending) return false;
    if (fault == NetworkFault::black_hole) {
      state_ = State::swallowing;
      return true;
    }
    if (fault == NetworkFault::delay) due += proxy_.random_delay();
    // A request does not overtake the one before it.
    last_due_ = std::max(last_due_, due);
    server_.send_at(last_due_, std::move(bytes));
    if (fault == NetworkFault::reset_after_sending) close_client();
    if (fault == NetworkFault::lost_reply) state_ = State::swallowing;
    if (fault == NetworkFault::cut_reply) cut_reply_ = true;
    return true;
  }

  bool hear_server() {
    std::string bytes;
    if (!server_.receive(bytes)) {
      server_gone_ = true;
      if (state_ == State::passing) wait_for_client();  // for the last words
      return state_ == State::swallowing;
    }
    if (bytes.empty() || state_ != State::passing) return true;
    if (cut_reply_) bytes.resize(bytes.size() / 2);
    client_.send_at(Clock::now() + std::chrono::microseconds(proxy_.latency_), std::move(bytes));
    if (!cut_reply_) return true;
    wait_for_client();
    close_client();
    return true;
  }

  // Until it has all that is on its way.
  void wait_for_client() {
    while (client_.deliver() && client_.waits()) {
      const auto now = Clock::now();
      std::array<pollfd, 1> end{client_.events(now)};
      end[0].events &= POLLOUT;
      if (!wait(end, client_.next(now)) || (end[0].revents & (POLLHUP | POLLERR)) != 0) break;
    }
  }

  void close_client() {
    client_.shut();
    state_ = State::closing;
  }

  FaultProxy& proxy_;
  End client_, server_;
  CommitWatch watch_{};
  State state_ = State::passing;
  bool cut_reply_ = false, server_gone_ = false;
  Clock::time_point last_due_{};
  std::atomic<bool> finished_ = false;
  std::thread thread_;
};

FaultProxy::FaultProxy(std::string server_socket) : server_(std::move(server_socket)) {
  if (is_tcp(server_)) {
    listening_ = listen_at(address_of_port(0));
    port_ = port_of(listening_);
  } else {
    listening_ = listen_at(address_of(folder_.file(std::filesystem::path(server_).filename().string())));
  }
  acceptor_ = std::thread([this] { accept_clients(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  ::shutdown(listening_, SHUT_RDWR);
  acceptor_.join();
  ::close(listening_);
  conversations_.clear();
}

void FaultProxy::accept_clients() {
  const Address address = address_of(server_);
  while (!stopping_) {
    const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int server = new_socket(address);
    if (::connect(server, &address.any, address.size) != 0) {
      ::close(client);
      ::close(server);
      continue;
    }
    const std::lock_guard lock(mutex_);
    forget_finished();
    conversations_.push_back(std::make_unique<Conversation>(*this, client, server));
  }
}

void FaultProxy::forget_finished() {
  std::erase_if(conversations_, [](const auto& conversation) { return conversation->finished(); });
}

void FaultProxy::break_one_in(std::size_t n, std::span<const NetworkFault> faults, std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  random_ = Random(seed);
  one_in_ = n;
  faults_.assign(faults.begin(), faults.end());
}

void FaultProxy::break_next(NetworkFault fault) {
  const std::lock_guard lock(mutex_);
  next_ = fault;
}

void FaultProxy::break_next_commit(NetworkFault fault) {
  const std::lock_guard lock(mutex_);
  next_commit_ = fault;
}

void FaultProxy::calm() {
  const std::lock_guard lock(mutex_);
  one_in_ = 0;
  next_.reset();
  next_commit_.reset();
}

std::optional<NetworkFault> FaultProxy::fault_of_request(bool commits) {
  const std::lock_guard lock(mutex_);
  std::optional<NetworkFault> fault = std::exchange(next_, std::nullopt);
  if (!fault && commits) fault = std::exchange(next_commit_, std::nullopt);
  if (!fault && one_in_ != 0 && random_.one_in(one_in_)) fault = random_.pick(faults_);
  if (fault) ++met_[static_cast<std::size_t>(*fault)];
  return fault;
}

std::chrono::microseconds FaultProxy::random_delay() {
  const std::lock_guard lock(mutex_);
  return std::chrono::microseconds(random_.below(std::chrono::microseconds(longest_delay).count()));
}

}  // namespace fractal::testing
