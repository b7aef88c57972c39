// Invariant: a latency is the time from before a request's first byte is sent until its reply is there to the last one.
#include "load.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <deque>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace fractal::bench {
namespace {

using Clock = std::chrono::steady_clock;

int checked(int result) {
  if (result < 0) throw std::system_error(errno, std::generic_category());
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(checked(number)) {}
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const noexcept { return number_; }

 private:
  int number_;
};

class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::connect(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    const int on = 1;
    checked(::setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  }

  int number() const noexcept { return socket_.number(); }
  Clock::time_point begun() const noexcept { return begun_; }
  const std::string& reply() const noexcept { return reply_; }
  std::string_view body() const { return std::string_view(reply_).substr(reply_.size() - length_); }

  void send(std::string_view request) {
    reply_.clear();
    end_ = 0;
    begun_ = Clock::now();
    while (!request.empty()) {
      request.remove_prefix(static_cast<std::size_t>(
          checked(static_cast<int>(::send(socket_.number(), request.data(), request.size(), MSG_NOSIGNAL)))));
    }
  }

  // Waits for bytes, once; true: the reply is whole.
  bool receive() {
    std::array<char, 16'384> bytes;
    const int size = checked(static_cast<int>(::recv(socket_.number(), bytes.data(), bytes.size(), 0)));
    if (size == 0) throw std::runtime_error("the server hung up after: " + reply_);
    reply_.append(bytes.data(), static_cast<std::size_t>(size));
    if (end_ == 0 && !read_headers()) return false;
    return reply_.size() >= end_;
  }

 private:
  bool read_headers() {
    const auto headers = reply_.find("\r\n\r\n");
    if (headers == std::string::npos) return false;
    constexpr std::string_view name = "\r\nContent-Length: ";
    const auto at = reply_.find(name);
    if (!reply_.starts_with("HTTP/1.1 200 ") || at > headers) throw std::runtime_error("refused: " + reply_);
    std::from_chars(reply_.data() + at + name.size(), reply_.data() + headers, length_);
    end_ = headers + 4 + length_;
    return true;
  }

  Descriptor socket_;
  std::string reply_;
  std::size_t end_ = 0, length_ = 0;  // of the reply, once its headers are there; of its body
  Clock::time_point begun_{};
};

}  // namespace

std::string http_request(std::string_view method, std::string_view path, std::string_view body) {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n", method, path, bearer_token);
  if (!body.empty()) text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  return text + "\r\n" + std::string(body);
}

Load load_server(std::uint16_t port, std::size_t connections, std::span<const std::string> requests) {
  const Descriptor poll(::epoll_create1(EPOLL_CLOEXEC));
  std::deque<Connection> open;
  for (std::size_t i = 0; i < std::min(connections, requests.size()); ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &open.emplace_back(port)}};
    checked(::epoll_ctl(poll.number(), EPOLL_CTL_ADD, open.back().number(), &event));
  }
  Load load;
  load.latencies.reserve(requests.size());
  std::size_t next = 0;
  const auto begin = Clock::now();
  for (Connection& connection : open) connection.send(requests[next++]);
  while (load.latencies.size() < requests.size()) {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(poll.number(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno == EINTR) continue;
    for (int i = 0; i < checked(count); ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.receive()) continue;
      load.latencies.push_back(std::chrono::duration<double>(Clock::now() - connection.begun()).count());
      if (next < requests.size()) connection.send(requests[next++]);
    }
  }
  load.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return load;
}

std::string ask_server(std::uint16_t port, const std::string& request) {
  Connection connection(port);
  connection.send(request);
  while (!connection.receive()) continue;
  return std::string(connection.body());
}

}  // namespace fractal::bench
