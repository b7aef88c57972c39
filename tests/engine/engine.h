// The public API on one storage: the suites in this folder are linked once a storage, with on_memory.cpp or
// on_sqlite.cpp. Here is what they share.
#ifndef FRACTAL_TESTS_ENGINE_H
#define FRACTAL_TESTS_ENGINE_H

#include "tests/seeded_random.h"

#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {
// Those of a new, empty database of the storage under test.
Options fresh_options();
// The same options, opened again, find what was written.
bool durable_storage();
// Options::path is a file: then what lies in it can be looked at.
bool storage_is_a_file();
}  // namespace fractal

namespace engine {

using namespace fractal;

inline FractalMemory open_fresh() { return FractalMemory::open(fresh_options()).value(); }

// A path in a folder of its own that the process removes when it ends; nothing is there.
std::string fresh_path(std::string_view name);

// A clock that moves only when it is told to.
class TestClock {
 public:
  Time now() const { return Time(std::chrono::microseconds(micros_.load())); }
  void advance(std::chrono::microseconds by) { micros_ += by.count(); }
  Options on(Options options) {
    options.clock = [this] { return now(); };
    return options;
  }

 private:
  std::atomic<std::int64_t> micros_{1'700'000'000'000'000};
};

// Everything that a space holds, as text.
std::string exported(const Reads& reads);

// The error of a result that must have one.
template <class T> Error error_of(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

inline bool mentions(const Error& error, std::string_view words) {
  return error.message.find(words) != std::string::npos;
}

// In the order given, without brackets: "1.0 2.0".
std::string coordinates(const std::vector<Memory>& memories);
std::string coordinates(const std::vector<Hit>& hits);
std::string coordinates(const std::vector<NearHit>& hits);
std::string coordinates(const std::vector<Neighbor>& neighbors);

std::vector<float> random_vector(std::mt19937_64& random, std::size_t dimension);
inline std::size_t below(std::mt19937_64& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

}  // namespace engine

#endif
