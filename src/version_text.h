// What the backends of src/version_store.h write down alike.
#ifndef FRACTAL_SRC_VERSION_TEXT_H
#define FRACTAL_SRC_VERSION_TEXT_H

#include "src/version_store.h"

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <string_view>

namespace fractal {

// As vector servers call it.
inline std::string_view metric_name(Metric metric) {
  switch (metric) {
    case Metric::dot: return "IP";
    case Metric::l2: return "L2";
    case Metric::cosine: break;
  }
  return "COSINE";
}

// A mark but for its epoch and `cleaned`.
inline std::string mark_text(const VersionMark& mark) {
  return fmt::format("{} {} {} {} {:d} {:d}", mark.applied, mark.vectors, mark.last_id, mark.token, mark.raw,
                     mark.again);
}
// False: it is none.
inline bool read_mark_text(const std::string& text, VersionMark& mark) {
  std::istringstream words(text);
  words >> mark.applied >> mark.vectors >> mark.last_id >> mark.token >> mark.raw >> mark.again;
  return !words.fail();
}

}  // namespace fractal

#endif
