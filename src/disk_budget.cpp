// Invariant: an estimate from above for what a batch brings itself: a log holds no more pages than are changed, and no
// more than there are.
#include "src/disk_budget.h"

#include "src/error.h"
#include "src/validate.h"

#include <algorithm>
#include <variant>

namespace fractal {
namespace {
constexpr std::uint64_t log_bytes_of_entry = 64u << 10;  // some 15 pages: the row, its vector, words, indexes, audit
constexpr std::uint64_t copies = 3;                      // of what is written: in the log, in the file, and its words
}  // namespace

std::uint64_t most_bytes_added(const Batch& batch, std::uint64_t file_bytes, std::size_t embedded) {
  std::uint64_t bytes = 0, entries = 0;
  for (const Batch::Entry& entry : batch.entries()) {
    if (std::holds_alternative<Batch::Remove>(entry) || std::holds_alternative<Batch::Unlink>(entry)) continue;
    ++entries;
    bytes += bytes_of(entry) + embedded;
  }
  return entries == 0 ? 0 : copies * bytes + std::min(entries * log_bytes_of_entry, file_bytes + (1u << 20));
}

Result<void> check_disk(std::uint64_t budget, std::uint64_t file_bytes, std::uint64_t added) {
  if (budget == 0 || added == 0 || file_bytes + added <= budget) return {};
  return make_error(Errc::io, "the files have {} bytes; {} more might pass Options::disk_budget ({})", file_bytes,
                    added, budget);
}

}  // namespace fractal
