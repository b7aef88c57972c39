// Threads that write to, and read from, the same few spaces all the time, through handles that stand for processes.
#ifndef FRACTAL_TESTS_POSTGRES_LOAD_H
#define FRACTAL_TESTS_POSTGRES_LOAD_H

#include "tests/postgres/ledger.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace fractal::testing {

inline constexpr std::size_t load_spaces = 3, load_dimension = 8;
Space space_of_load(std::size_t number);

class Load {
 public:
  // Each handle gets so many writers and one reader.
  Load(std::vector<FractalMemory> handles, std::size_t writers_each, std::uint64_t seed, Ledger& ledger);
  ~Load();  // as stop()
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void stop();
  std::uint64_t reads() const { return reads_; }
  // Of reads: errors that no network has. After stop().
  const std::vector<std::string>& wrong_answers() const { return wrong_answers_; }

 private:
  class Writer;
  void read_on(const FractalMemory& handle, std::uint64_t seed);
  void read_once(const FractalMemory& memory, std::uint64_t choice, std::uint64_t seed);

  Ledger& ledger_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> reads_ = 0;
  std::mutex mutex_{};
  std::vector<std::string> wrong_answers_{};
  std::vector<std::thread> threads_{};
};

}  // namespace fractal::testing

#endif
