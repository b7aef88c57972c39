// Spreading activation, for activate() and for search.
#ifndef FRACTAL_SRC_ACTIVATE_H
#define FRACTAL_SRC_ACTIVATE_H

#include <fractal/fractal_memory.h>

#include "src/database.h"

#include <span>
#include <string>
#include <vector>

namespace fractal {

struct ActiveKey {
  std::string key{};  // of a coordinate
  double amount = 0;  // see Activation
};

// The most active, best first. The seeds and options have been checked.
Result<std::vector<ActiveKey>> most_active(const Database& database, const Look& look,
                                           std::span<const Coordinate> seeds, const ActivateOptions& options);

}  // namespace fractal

#endif
