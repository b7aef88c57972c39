// The command line of a bench: --name value.
#ifndef FRACTAL_BENCH_ARGUMENTS_H
#define FRACTAL_BENCH_ARGUMENTS_H

#include <cstdint>
#include <map>
#include <string>

namespace fractal::bench {

inline std::map<std::string, std::string> options_of(int count, char** arguments) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < count; i += 2) options[arguments[i]] = arguments[i + 1];
  return options;
}

inline std::uint64_t number_of(const std::map<std::string, std::string>& options, const std::string& name,
                               std::uint64_t otherwise) {
  const auto found = options.find(name);
  return found != options.end() ? std::stoull(found->second) : otherwise;
}

}  // namespace fractal::bench

#endif
