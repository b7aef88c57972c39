// Where a Redis is, and how to get in.
#ifndef FRACTAL_BACKENDS_REDIS_ADDRESS_H
#define FRACTAL_BACKENDS_REDIS_ADDRESS_H

#include <fractal/result.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace fractal::redis_backend {

struct Endpoint {
  std::string host{};  // empty: `path`
  std::uint16_t port = 6379;
  std::string path{};  // of a unix socket

  std::string name() const;  // for messages: "redis 127.0.0.1:6379"
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Address {
  Endpoint endpoint{};
  std::string user{}, password{};
  std::uint32_t database = 0;
  std::optional<std::string> prefix{};
  std::optional<std::uint32_t> call_timeout{};  // milliseconds
  // Of an index.
  std::optional<bool> wait{};
  std::optional<std::uint32_t> grace{};  // milliseconds
  std::optional<std::uint64_t> queue_bytes{}, most_scanned{};

  bool is_of_index() const { return wait || grace || queue_bytes || most_scanned; }
};

// invalid_argument: it is none; unsupported: rediss://. The message does not have the URL in it.
Result<Address> address_of(std::string_view url);
// invalid_argument: `prefix` is none that a key may begin with, or a limit is out of its range.
Result<void> check_limits(std::string_view prefix, std::size_t most_connections,
                          std::initializer_list<std::chrono::milliseconds> timeouts);
// "127.0.0.1:6381", as a cluster's node says it; a host that is empty is `here`'s.
std::optional<Endpoint> endpoint_of(std::string_view text, const Endpoint& here);

}  // namespace fractal::redis_backend

#endif
