// Random numbers that a printed seed brings back: FRACTAL_SEED=<seed> runs the same test again.
#ifndef FRACTAL_TESTS_SEEDED_RANDOM_H
#define FRACTAL_TESTS_SEEDED_RANDOM_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace fractal::testing {

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014): the same on every platform, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>(next() % n); }
  bool one_in(std::size_t n) noexcept { return below(n) == 0; }
  bool coin() noexcept { return (next() & 1) != 0; }
  template <class Choices> auto pick(const Choices& choices) noexcept { return choices[below(std::size(choices))]; }

 private:
  std::uint64_t state_;
};

// A number from the environment: `name`, or <name>_DEFAULT, which CMake gives to a test; else the one given.
inline std::uint64_t number_from_environment(const std::string& name, std::uint64_t otherwise) {
  for (const std::string& variable : {name, name + "_DEFAULT"}) {
    const char* const text = std::getenv(variable.c_str());
    if (text != nullptr && *text != '\0') return std::strtoull(text, nullptr, 0);
  }
  return otherwise;
}

// The seed of this run, printed so that a failure can be brought back.
inline std::uint64_t announced_seed(const char* test) {
  const std::uint64_t seed = number_from_environment("FRACTAL_SEED", std::random_device()());
  std::printf("%s: FRACTAL_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace fractal::testing

#endif
