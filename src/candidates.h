// The set of memories that a filter and a subtree leave, as rising ids.
#ifndef FRACTAL_SRC_CANDIDATES_H
#define FRACTAL_SRC_CANDIDATES_H

#include "src/database.h"

#include "src/filter_cache.h"

namespace fractal {

// Nothing to test: null, everything is allowed. Expired memories are never in the set.
Result<IdSet> candidates(const Database& database, const Look& look, const Filter& filter, const Coordinate& within,
                         const Control& control);

}  // namespace fractal

#endif
