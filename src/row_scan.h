// Search by vector in the rows themselves: for what the index cannot tell. It takes no memory but for ids.
#ifndef FRACTAL_SRC_ROW_SCAN_H
#define FRACTAL_SRC_ROW_SCAN_H

#include <fractal/backend.h>

#include <cstdint>
#include <vector>

namespace fractal {

// The best among the vectors that changed after a sequence number (0: all), exactly. `changed` gets the ids of these,
// and of those whose vector went; rising. `unavailable`: there are more than `most`.
Result<VectorHits> scan_rows(const SpaceRecord& space, const VectorIndex::Pull& pull, const VectorQuery& query,
                             std::uint64_t after, std::vector<MemoryId>& changed, std::uint64_t most);
// The best among query.allowed, read one by one.
Result<VectorHits> scan_allowed(ReadView& view, const VectorQuery& query);
// Of two sets of vectors that have no id in common, with the same query.
VectorHits merge_hits(const VectorHits& left, const VectorHits& right, std::size_t k);

}  // namespace fractal

#endif
