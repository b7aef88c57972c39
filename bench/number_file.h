// Files of numbers as they lie in memory.
#ifndef FRACTAL_BENCH_NUMBER_FILE_H
#define FRACTAL_BENCH_NUMBER_FILE_H

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace fractal::bench {

// Ends the program where there are none.
template <class Number> std::vector<Number> numbers_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const auto bytes = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
  std::vector<Number> numbers(bytes / sizeof(Number));
  in.seekg(0).read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(bytes));
  if (!in || numbers.empty()) {
    std::fprintf(stderr, "cannot read %s\n", file.c_str());
    std::exit(1);
  }
  return numbers;
}

}  // namespace fractal::bench

#endif
