// Invariant: who has a space's row has it alone until the transaction ends, so its sequence numbers are given, and become
// visible, in the order of the commits, without a gap.
#include "backends/postgres/spaces.h"

#include "backends/postgres/row_security.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/statements.h"
#include "src/error.h"

namespace fractal::postgres_backend {

std::optional<SpaceRow> Spaces::row_of(const Rows& rows, int at) {
  std::optional<SpaceRow> row;
  if (at >= rows.count()) return row;
  read_space(rows, at, row.emplace());
  row_security_ = row_security_ || rows.integer(at, space_columns) != 0;
  commits_[row->record.number] = rows.natural(at, space_columns + 1);
  return row;
}

Result<void> Spaces::see(std::uint64_t number) {
  return row_security_ ? connection_.queue(sql::see_one_more, Values(number)) : Result<void>{};
}

void Spaces::take(const Rows& rows) {
  for (int at = 0; at < rows.count(); ++at) {
    auto row = row_of(rows, at);
    locked_.emplace(row->record.space, std::move(*row));
  }
}

Result<std::optional<SpaceRow>> Spaces::find(const Space& space) {
  if (asked_for_.erase(space) != 0) {  // once: it may be erased, and made anew
    const auto found = locked_.find(space);
    return found == locked_.end() ? std::nullopt : std::optional(found->second);
  }
  FRACTAL_TRY_INTO(const Rows rows, connection_.run(sql::lock_by_name, Values(Bytes{space.tenant}, Bytes{space.name})));
  auto row = row_of(rows, 0);
  if (row) FRACTAL_TRY(see(row->record.number));
  return row;
}

Result<std::optional<SpaceRow>> Spaces::find(std::uint64_t number) {
  FRACTAL_TRY_INTO(const Rows rows, connection_.run(sql::lock_by_number, Values(number)));
  auto row = row_of(rows, 0);
  if (row) FRACTAL_TRY(see(row->record.number));
  return row;
}

Result<SpaceRow> Spaces::create(const Space& space) {
  const std::string tenant = without_nul(space.tenant), name = without_nul(space.name);
  const Values values(Bytes{space.tenant}, Bytes{space.name}, Text{tenant}, Text{name});
  FRACTAL_TRY_INTO(const Rows made, connection_.run(sql::create_space, values));
  if (made.count() > 0) {
    SpaceRow row;
    row.record.number = made.natural(0, 0);
    row.record.space = space;
    commits_[row.record.number] = 0;
    row_security_ = row_security_ || made.integer(0, 1) != 0;
    FRACTAL_TRY(see(row.record.number));
    return row;
  }
  // Another program was faster, and has committed: the insertion waited for that.
  FRACTAL_TRY_INTO(auto row, find(space));
  if (row) return std::move(*row);
  return make_error(Errc::unavailable, "{}: the space was made and erased at the same moment", connection_.server());
}

Result<void> Spaces::save(const SpaceRow& row) {
  const SpaceRecord& record = row.record;
  mark_.space = record.number;
  mark_.commits = commits_[record.number];
  saved_[record.number] = record.sequence;
  return connection_.queue(sql::save_space, Values(record.number, record.sequence, record.last_id, record.horizon,
                                                   record.memories, record.semantic, record.links, record.vectors,
                                                   record.dimension, static_cast<int>(record.metric), record.words[0],
                                                   record.words[1], record.words[2], record.words[3], row.audit_records,
                                                   row.audit_oldest, Bytes{record.embedder}, Bytes{mark_.token}));
}

}  // namespace fractal::postgres_backend
