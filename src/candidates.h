// The set of memories that a filter and a subtree leave, as rising ids.
#ifndef FRACTAL_SRC_CANDIDATES_H
#define FRACTAL_SRC_CANDIDATES_H

#include "src/database.h"

#include <vector>

namespace fractal {

// Nothing to test: no set, everything is allowed. Expired memories are never in the set.
Result<std::optional<std::vector<MemoryId>>> candidates(const Look& look, const Filter& filter,
                                                        const Coordinate& within, const Control& control);

}  // namespace fractal

#endif
