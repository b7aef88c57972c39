// Invariant: what a test program made on the server goes with it.
#include "tests/conformance/remote_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace fractal::testing {
namespace {

struct Made {
  std::vector<std::string> identities{};
  ~Made() {
    for (const std::string& identity : identities) lose_all(identity);
  }
} made;

}  // namespace

std::string required_server(const char* variable) {
  const char* const url = std::getenv(variable);
  if (url != nullptr && *url != '\0') return url;
  std::fprintf(stderr, "%s names no server: ./dev services up\n", variable);
  std::_Exit(1);  // nothing was made, and nobody could be asked to take it back
}

std::string fresh_remote_identity() {
  std::random_device random;
  return made.identities.emplace_back(fmt::format("{:08x}{:08x}", random(), random()));
}

}  // namespace fractal::testing
