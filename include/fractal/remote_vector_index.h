// A vector index on a server of its own that follows a storage (<fractal/milvus.h>, <fractal/redis.h>).
#ifndef FRACTAL_REMOTE_VECTOR_INDEX_H
#define FRACTAL_REMOTE_VECTOR_INDEX_H

#include <fractal/backend.h>

#include <cstdint>

namespace fractal {

struct ReconcileReport {
  std::uint64_t vectors = 0;  // of the rows
  // Differences that were found, and mended: vectors that were not there, others than the rows', without a row.
  std::uint64_t missing = 0, stale = 0, orphans = 0;
};

// Any thread.
class FRACTAL_API RemoteVectorIndex : public VectorIndex {
 public:
  // Compares the vectors of a space with its rows, by ids, versions and components, and mends what differs. `pull` gives
  // what columns() asks for. maintain() does so for large spaces; verify() compares only.
  virtual Result<ReconcileReport> reconcile(const SpaceRecord& space, const Pull& pull, const Control& control) = 0;
  // Until all that was written to the space of this number is delivered; false: it is not, in time.
  virtual bool flush(std::uint64_t space, const Control& control) = 0;
};

}  // namespace fractal

#endif
