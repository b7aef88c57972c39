// A program compiled with -fno-exceptions -fno-rtti. With an argument: value() of an error.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <csignal>
#include <cstdlib>

int main(int argc, char**) {
  if (argc > 1) {
    std::signal(SIGABRT, [](int) { std::_Exit(EXIT_SUCCESS); });  // A core dump would count as a crash.
    fractal::Result<int> result = fractal::Error{fractal::Errc::not_found, "no way there, says the test"};
    return result.value();
  }
  auto memory = fractal::FractalMemory::open(":memory:");
  if (!memory) return 1;
  if (!memory->store({.coordinate = {1, 2}, .payload = R"({"text": "tea"})"})) return 2;
  auto one = memory->retrieve({1, 2});
  if (!one || one->payload != R"({"text": "tea"})") return 3;
  auto none = memory->retrieve({7});
  if (none || none.error().code != fractal::Errc::not_found) return 4;
  fmt::print("{}: {}\n", one->coordinate, one->payload);
  return 0;
}
