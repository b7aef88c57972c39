// Rows that other programs wrote to the storage, past the library.
// Invariant: they are indexed as if they had been stored here: the same words, the vector of the space's embedder; and no
// lock or moment is held while texts are embedded.
#include "src/database.h"
#include "src/error.h"
#include "src/validate.h"

#include <algorithm>

namespace fractal {
namespace {

constexpr std::size_t rows_per_step = 256;

// The payloads that get a vector.
Result<void> collect_payloads(ReadView& view, std::span<const UnindexedRow> rows, PayloadVectors& embedded) {
  std::vector<MemoryId> ids;
  for (const UnindexedRow& row : rows) ids.push_back(row.id);
  FRACTAL_TRY_INTO(auto memories, view.fetch(ids, Columns::payload));
  for (Row& row : memories) {
    if (row.unindexed && !row.has_vector) embedded.missing.push_back(std::move(row.memory.payload));
  }
  return {};
}

}  // namespace

Result<std::uint64_t> Database::index_foreign_rows(std::size_t most, const Control& control) {
  auto indexed = index_foreign_pages(most, control);
  const std::lock_guard lock(foreign_mutex_);
  foreign_rows_problem_ = indexed ? "" : "rows of other programs are not indexed: " + indexed.error().message;
  return indexed;
}

std::string Database::foreign_rows_problem() const {
  const std::lock_guard lock(foreign_mutex_);
  return foreign_rows_problem_;
}

Result<std::uint64_t> Database::index_foreign_pages(std::size_t most, const Control& control) {
  std::uint64_t seen = 0, indexed = 0, total = 0;
  for (MemoryId after = 0; seen < most;) {
    FRACTAL_TRY(check_control(control, "index rows of other programs"));
    const std::size_t wanted = std::min<std::size_t>(rows_per_step, most - seen);
    FRACTAL_TRY_INTO(const auto page, storage_->unindexed(after, wanted));
    if (page.empty()) break;
    if (control.progress && total == 0) { FRACTAL_TRY_INTO(total, storage_->count_unindexed()); }
    for (std::span<const UnindexedRow> left(page); !left.empty();) {
      const auto other =
          std::find_if(left.begin(), left.end(), [&](const UnindexedRow& row) { return row.space != left[0].space; });
      const auto same = left.first(static_cast<std::size_t>(other - left.begin()));
      FRACTAL_TRY_INTO(const std::uint64_t done, index_rows_of(same[0].space, same, control));
      indexed += done;
      left = left.subspan(same.size());
    }
    seen += page.size();
    after = page.back().id;
    if (control.progress) control.progress(std::min(seen, total), total);
    if (page.size() < wanted) break;
  }
  return indexed;
}

Result<std::uint64_t> Database::index_rows_of(const Space& space, std::span<const UnindexedRow> rows,
                                              const Control& control) {
  PayloadVectors embedded;
  {
    FRACTAL_TRY_INTO(const auto view, storage_->read(space));
    const auto embedder = embedders_.of(view->space());
    const bool others = !embedder && embedder.error().code == Errc::unsupported;
    if (others || (embedder && !*embedder && !view->space().embedder.empty())) return std::uint64_t{0};
    FRACTAL_TRY_INTO(embedded.embedder, embedder);
    if (embedded.embedder) {
      embedded.identity = embedded.embedder->identity().to_string();
      FRACTAL_TRY(collect_payloads(*view, rows, embedded));
    }
  }
  std::vector<std::string> keys;
  for (const UnindexedRow& row : rows) keys.push_back(row.key);
  const ReadLog::Notes no_notes;
  const BatchContext context{space,    options_,        text_fields_,         now(), {}, no_notes,
                             embedded, options_.metric, options_.strict_links};
  BatchOutcome outcome;
  WriteRequest request;
  request.run = [&](WriteTransaction& transaction) -> Result<void> {
    FRACTAL_TRY_INTO(outcome, index_rows(transaction, context, keys));
    return {};
  };
  request.committed = [&] { follow(outcome); };
  request.tenant = space.tenant;
  request.size = keys.size();
  request.expected = Expected{.space = space, .keys = keys, .columns = Columns::payload, .links = {}};
  Result<void> submitted;
  for (int round = 0; round <= most_embedding_rounds; ++round) {
    if (!embedded.missing.empty()) FRACTAL_TRY(embed_missing(embedded, text_fields_, control));
    submitted = queue_.submit(request);
    if (submitted || embedded.missing.empty()) break;
  }
  if (!submitted) return submitted.error();
  return outcome.applied.written.size();
}

}  // namespace fractal
