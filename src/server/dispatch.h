// From a request to a reply: routing, rights, validation, errors. Knows nothing of sockets.
#ifndef FRACTAL_SRC_SERVER_DISPATCH_H
#define FRACTAL_SRC_SERVER_DISPATCH_H

#include "src/server/operations.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::server {

// What of the headers counts.
struct Request {
  std::string_view method, target;
  std::optional<std::string_view> authorization{}, accept_language{}, tenant{}, space{};
  std::optional<std::string_view> host{}, origin{}, fetch_site{}, last_event{};
};

// A request whose headers were understood: what is left is its body.
struct Admitted {
  const Operation* operation = nullptr;  // null: `refused` is the reply
  Reply refused{};
  std::string_view route{};  // the operation's path, or "" if there is none
  Parameters parameters{};
  std::string segment{};
  std::string question{};  // of the target
  std::string last_event{};
  bool head = false;
  Space space{};
  Rights rights{};
  std::string token{};
  std::vector<std::pair<std::string, std::string>> headers{};  // of the reply, whatever it is
  Language language = Language::english;
};

// Whether admit() has to ask a cache that may be on another machine.
bool may_wait_to_admit(const Service& service, const Request& request);
// Else it never waits: the token, the tenant and the route decide.
Admitted admit(const Service& service, const Request& request);
// May take long. `admitted`, `body` and `upload` must live until the reply's last piece.
Reply answer(const Service& service, const Admitted& admitted, std::string_view body, Spool* upload);

}  // namespace fractal::server

#endif
