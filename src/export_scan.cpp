// Invariant: memory use is that of one page; unless one moment was asked for, each page has its own
// transaction, so that the file's log can shrink during a long export.
#include "src/export_scan.h"

#include "src/cursor.h"
#include "src/error.h"
#include "src/validate.h"

#include <utility>

namespace fractal {
namespace {
constexpr std::size_t page_rows = 1000;
}

Result<ExportScan> ExportScan::make(const Database& database, const Space& space, std::shared_ptr<Reads::Pinned> pinned,
                                    const ExportOptions& options) {
  FRACTAL_TRY(options.filter.check());
  if (!options.within.empty()) FRACTAL_TRY(options.within.check());
  if (!pinned && options.consistent) { FRACTAL_TRY_INTO(pinned, database.pin(space)); }
  ExportScan scan(database, space, std::move(pinned), options);
  FRACTAL_TRY_INTO(const Look look, database.look(space, scan.pinned_, options.control));
  scan.total_ = look.space().memories + (options.links ? look.space().links : 0);
  scan.embedder_ = look.space().embedder;
  return scan;
}

Result<void> ExportScan::memories(const std::function<Result<void>(const Row&)>& visit) const {
  Scan scan{.limit = page_rows, .columns = options_.embeddings ? Columns::all : Columns::payload};
  if (!options_.within.empty()) scan.prefix = options_.within.key();
  for (;;) {
    FRACTAL_TRY(check_control(options_.control, "export"));
    FRACTAL_TRY_INTO(const Look look, database_.look(space_, pinned_, options_.control));
    FRACTAL_TRY_INTO(const auto rows, look.view().list(scan));
    for (const Row& row : rows) {
      if (!look.hidden(row.memory) && matches(options_.filter, row)) FRACTAL_TRY(visit(row));
    }
    if (rows.size() < page_rows) return {};
    scan.after = position_of(rows.back());
  }
}

Result<void> ExportScan::links(const std::function<Result<void>(const Look&, const LinkRow&)>& visit) const {
  const std::string prefix = options_.within.empty() ? std::string() : options_.within.key();
  // Links out of a subtree are a range: it begins at its root, and nothing sorts before its first link.
  std::optional<LinkRow> after;
  if (!prefix.empty()) after = LinkRow{.from = prefix};
  for (;;) {
    FRACTAL_TRY(check_control(options_.control, "export"));
    FRACTAL_TRY_INTO(const Look look, database_.look(space_, pinned_, options_.control));
    FRACTAL_TRY_INTO(auto rows, look.view().list_links(after ? &*after : nullptr, page_rows));
    for (const LinkRow& row : rows) {
      if (!row.from.starts_with(prefix)) return {};
      if (!row.to.starts_with(prefix)) continue;
      if (look.hidden_key(row.from) || look.hidden_key(row.to)) continue;
      FRACTAL_TRY(visit(look, row));
    }
    if (rows.size() < page_rows) return {};
    after = std::move(rows.back());
  }
}

}  // namespace fractal
