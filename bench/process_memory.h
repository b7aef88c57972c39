// What the kernel says of this process's memory.
#ifndef FRACTAL_BENCH_PROCESS_MEMORY_H
#define FRACTAL_BENCH_PROCESS_MEMORY_H

#include <fstream>
#include <string>

namespace fractal::bench {

// A line of /proc/self/status, in MiB: "RssAnon" is private memory, "VmRSS" all that is resident. 0: there is none.
inline double memory_of_process(const std::string& field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

}  // namespace fractal::bench

#endif
