// The rules of every write, in one place, inside the storage's transaction: versions, merge patches, expiry,
// links that go with their memory, counters, sequence numbers, audit.
#ifndef FRACTAL_SRC_WRITE_RULES_H
#define FRACTAL_SRC_WRITE_RULES_H

#include <fractal/backend.h>

#include "src/embedding.h"
#include "src/keywords.h"
#include "src/read_log.h"

#include <deque>
#include <span>
#include <vector>

namespace fractal {

// What a batch needs to know besides its entries.
struct BatchContext {
  const Space& space;
  const Options& options;
  const TextFields& text_fields;
  Time now;
  // One per entry: the words of a Store or Restore, computed before the transaction began.
  std::span<const Keywords> keywords;
  const ReadLog::Notes& notes;
  // Filled up by the caller and the batch run again when it ends with `missing` payloads.
  PayloadVectors& embedded;
  // Those of the options, except for a copy.
  Metric metric;
  bool strict_links;
};

struct BatchOutcome {
  Applied applied;
  std::uint64_t before = 0;  // sequence of the space before the batch
  SpaceRecord after{};
  // Views into the batch, which outlives the outcome, or into `kept`.
  std::vector<VectorChange> vectors;
  std::deque<std::vector<float>> kept;  // that the batch does not have
};

Result<BatchOutcome> run_batch(WriteTransaction& transaction, const BatchContext& context,
                               std::span<const Batch::Entry> entries);

// Makes keywords and vector of memories that another program wrote (Row::unindexed), by key; what has been indexed
// meanwhile, or is gone, is left alone. Applied::written has those that were indexed.
Result<BatchOutcome> index_rows(WriteTransaction& transaction, const BatchContext& context,
                                std::span<const std::string> keys);

// Removes up to `most` expired memories with their links; how many it removed.
Result<std::uint64_t> remove_expired(WriteTransaction& transaction, const BatchContext& context, std::size_t most);

enum class Forget { old, all };
// Forgets removals and audit records, all or those beyond what the options keep; audit records dropped.
Result<std::uint64_t> forget(WriteTransaction& transaction, const BatchContext& context, Forget what);

}  // namespace fractal

#endif
