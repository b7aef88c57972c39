// Asked again while it is an error: of a busy machine, and of servers that are just coming.
#ifndef FRACTAL_TESTS_ANSWERED_H
#define FRACTAL_TESTS_ANSWERED_H

#include <chrono>
#include <thread>

namespace fractal::testing {

// The first answer that is no error, or after a minute the last error.
template <class Call> auto answered(const Call& call) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  auto result = call();
  while (!result && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    result = call();
  }
  return result;
}

}  // namespace fractal::testing

#endif
