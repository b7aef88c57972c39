// Invariant: a part of a URL that is not understood is an error, and no error shows a part that may be a password.
#include "backends/redis/address.h"

#include "src/error.h"
#include "src/percent.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

namespace fractal::redis_backend {
namespace {

template <class... Args> Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return {Errc::invalid_argument, "redis URL: " + fmt::format(format, std::forward<Args>(args)...)};
}

template <class Number> bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

template <class Number>
Result<void> read_setting(std::string_view name, std::string_view text, std::optional<Number>& setting) {
  Number number = 0;
  if (!read_number(text, number) || number == 0) return wrong("{} is a number, 1 at least", name);
  setting = number;
  return {};
}

Result<std::string> decoded(std::string_view text) {
  auto bytes = percent_decoded(text);
  if (!bytes) return wrong("\"%\" without two hexadecimal digits");
  if (bytes->find('\0') != bytes->npos) return wrong("a byte of zero");
  return std::move(*bytes);
}

// What stands before and behind `mark`; nothing behind it if it is not there.
struct Cut {
  std::string_view before, behind;
  bool found = false;
};
Cut cut(std::string_view text, char mark) {
  const auto at = text.find(mark);
  if (at == text.npos) return {text, {}, false};
  return {text.substr(0, at), text.substr(at + 1), true};
}

Result<void> read_login(std::string_view login, Address& address) {
  const Cut parts = cut(login, ':');
  FRACTAL_TRY_INTO(address.user, decoded(parts.before));
  FRACTAL_TRY_INTO(address.password, decoded(parts.behind));
  if (!address.user.empty() && address.password.empty()) return wrong("a user without a password");
  return {};
}

Result<void> read_host(std::string_view text, Endpoint& endpoint) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return wrong("\"[\" without \"]\"");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return wrong("something between the host and its port");
    port = rest.substr(std::min<std::size_t>(1, rest.size()));
  } else if (const Cut parts = cut(text, ':'); parts.found) {
    host = parts.before;
    port = parts.behind;
  }
  if (host.empty()) return wrong("no host");
  FRACTAL_TRY_INTO(endpoint.host, decoded(host));
  if (!port.empty() && (!read_number(port, endpoint.port) || endpoint.port == 0)) return wrong("the port is none");
  return {};
}

Result<void> read_parameters(std::string_view text, bool socket, Address& address) {
  while (!text.empty()) {
    const Cut one = cut(text, '&');
    text = one.behind;
    const Cut parts = cut(one.before, '=');
    if (parts.before == "prefix") {
      FRACTAL_TRY_INTO(address.prefix, decoded(parts.behind));
    } else if (parts.before == "db" && socket) {
      if (!read_number(parts.behind, address.database)) return wrong("db is no number");
    } else if (parts.before == "call_timeout") {
      FRACTAL_TRY(read_setting(parts.before, parts.behind, address.call_timeout));
    } else if (parts.before == "wait") {
      if (parts.behind != "yes" && parts.behind != "no") return wrong("wait is yes or no");
      address.wait = parts.behind == "yes";
    } else if (parts.before == "grace") {
      FRACTAL_TRY(read_setting(parts.before, parts.behind, address.grace));
    } else if (parts.before == "queue_bytes") {
      FRACTAL_TRY(read_setting(parts.before, parts.behind, address.queue_bytes));
    } else if (parts.before == "most_scanned") {
      FRACTAL_TRY(read_setting(parts.before, parts.behind, address.most_scanned));
    } else {
      return wrong(
          "there is no setting of this name, only prefix, call_timeout{}, and of an index wait, grace, queue_bytes and "
          "most_scanned",
          socket ? ", db" : "");
    }
  }
  return {};
}

}  // namespace

std::string Endpoint::name() const {
  if (host.empty()) return "redis " + path;
  return host.find(':') == host.npos ? fmt::format("redis {}:{}", host, port)
                                     : fmt::format("redis [{}]:{}", host, port);
}

Result<Address> address_of(std::string_view url) {
  const auto end = url.find("://");
  const std::string_view scheme = url.substr(0, std::min(end, url.size()));
  if (scheme == "rediss") {
    return make_error(Errc::unsupported,
                      "redis URL: rediss:// wants TLS, which the component redis does not speak; use "
                      "redis:// in a network of your own, or to a tunnel on this machine");
  }
  const bool socket = scheme == "redis+unix";
  if (end == url.npos || (scheme != "redis" && !socket)) return wrong("it begins with redis:// or redis+unix://");
  Address address;
  const Cut query = cut(url.substr(end + 3), '?');
  FRACTAL_TRY(read_parameters(query.behind, socket, address));
  const auto slash = std::min(query.before.find('/'), query.before.size());
  std::string_view authority = query.before.substr(0, slash);
  const std::string_view path = query.before.substr(slash);
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    FRACTAL_TRY(read_login(authority.substr(0, at), address));
    authority.remove_prefix(at + 1);
  }
  if (socket) {
    if (!authority.empty() || path.size() < 2) return wrong("redis+unix:// and the whole path of a socket");
    FRACTAL_TRY_INTO(address.endpoint.path, decoded(path));
    return address;
  }
  FRACTAL_TRY(read_host(authority, address.endpoint));
  if (path.size() > 1 && !read_number(path.substr(1), address.database)) return wrong("the database is no number");
  return address;
}

Result<void> check_limits(std::string_view prefix, std::size_t most_connections,
                          std::initializer_list<std::chrono::milliseconds> timeouts) {
  const auto bad = [](std::string_view why) { return make_error(Errc::invalid_argument, "redis: {}", why); };
  const auto good = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == ':';
  };
  if (prefix.empty() || prefix.size() > 100 || !std::all_of(prefix.begin(), prefix.end(), good)) {
    return bad("prefix is 1 to 100 letters, digits and \"._-:\"");
  }
  if (most_connections == 0 || most_connections > 10'000) return bad("most_connections is 1 to 10000");
  for (const auto time : timeouts) {
    if (time < std::chrono::milliseconds(1) || time > std::chrono::hours(1)) return bad("time-outs are 1 ms to 1 h");
  }
  return {};
}

std::optional<Endpoint> endpoint_of(std::string_view text, const Endpoint& here) {
  const auto colon = text.rfind(':');
  Endpoint endpoint;
  if (colon == text.npos || !read_number(text.substr(colon + 1), endpoint.port)) return std::nullopt;
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.empty()) endpoint.host = here.host;
  if (endpoint.host.empty()) return std::nullopt;
  return endpoint;
}

}  // namespace fractal::redis_backend
