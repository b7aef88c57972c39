// Invariant: a range holds every key it should; it may end at "no end" where no such key exists.
#include "src/key_range.h"

#include <fractal/types.h>

#include <cmath>

namespace fractal {

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    auto& last = reinterpret_cast<unsigned char&>(end.back());
    if (last != 0xff) {
      ++last;
      return end;
    }
    end.pop_back();
  }
  return end;
}

std::pair<std::string, std::string> first_component_range(double low, double high) {
  return {std::isfinite(low) ? Coordinate{low}.key() : std::string(),
          std::isfinite(high) ? prefix_end(Coordinate{high}.key()) : std::string()};
}

}  // namespace fractal
