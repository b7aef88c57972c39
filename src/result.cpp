// Invariant: each code has one name, and an error that nobody tested ends the program with its message.
#include <fractal/result.h>

#include <cstdio>
#include <cstdlib>

namespace fractal {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::not_found: return "not_found";
    case Errc::conflict: return "conflict";
    case Errc::unavailable: return "unavailable";
    case Errc::io: return "io";
    case Errc::corruption: return "corruption";
    case Errc::unsupported: return "unsupported";
  }
  return "unknown";
}

namespace detail {

void fail_without_exceptions(const Error& error) noexcept {
  const std::string_view code = to_string(error.code);
  std::fprintf(stderr, "fractal: %.*s: %s\n", static_cast<int>(code.size()), code.data(), error.message.c_str());
  std::abort();
}

}  // namespace detail
}  // namespace fractal
