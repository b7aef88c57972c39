// Options::disk_budget: what a batch may add to the files, before it is begun.
#ifndef FRACTAL_SRC_DISK_BUDGET_H
#define FRACTAL_SRC_DISK_BUDGET_H

#include <fractal/fractal_memory.h>

#include <cstddef>
#include <cstdint>

namespace fractal {

// The most, if the files have `file_bytes` now; 0 if the batch only removes. `embedded`: bytes of a vector made of a text.
std::uint64_t most_bytes_added(const Batch& batch, std::uint64_t file_bytes, std::size_t embedded);
// `io`: there may not be room. `budget` 0: there always is.
Result<void> check_disk(std::uint64_t budget, std::uint64_t file_bytes, std::uint64_t added);

}  // namespace fractal

#endif
