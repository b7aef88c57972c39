// Ranges of coordinate keys.
#ifndef FRACTAL_SRC_KEY_RANGE_H
#define FRACTAL_SRC_KEY_RANGE_H

#include <string>
#include <string_view>
#include <utility>

namespace fractal {

// The least key above all keys that begin with the prefix; empty if there is none.
std::string prefix_end(std::string_view prefix);

// Keys whose first component lies in low..high; infinities leave that side open.
std::pair<std::string, std::string> first_component_range(double low, double high);

}  // namespace fractal

#endif
