// A server that is asked nothing: it listens, and it ends.
#include <fractal/format.h>
#include <fractal/server.h>

int main() {
  const auto memory = fractal::FractalMemory::open(":memory:").value();
  auto server = fractal::Server::start(memory, {.port = 0, .open = true}).value();
  fmt::print("port {}\n", server.port());
  server.stop();
  const auto refused = fractal::Server::start(memory, {.port = 0});
  return server.port() != 0 && !refused && refused.error().code == fractal::Errc::invalid_argument ? 0 : 1;
}
