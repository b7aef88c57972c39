// Invariant: who has a space's row has it alone until the transaction ends, so its sequence numbers are given, and become
// visible, in the order of the commits, without a gap.
#include "backends/postgres/spaces.h"

#include "backends/postgres/rows.h"
#include "backends/postgres/statements.h"
#include "src/error.h"

namespace fractal::postgres_backend {
namespace {

std::optional<SpaceRow> row_of(const Rows& rows) {
  std::optional<SpaceRow> row;
  if (rows.count() > 0) read_space(rows, 0, row.emplace());
  return row;
}

}  // namespace

Result<std::optional<SpaceRow>> Spaces::find(const Space& space) {
  FRACTAL_TRY_INTO(const Rows rows, connection_.run(sql::lock_by_name, Values(Bytes{space.tenant}, Bytes{space.name})));
  return row_of(rows);
}

Result<std::optional<SpaceRow>> Spaces::find(std::uint64_t number) {
  FRACTAL_TRY_INTO(const Rows rows, connection_.run(sql::lock_by_number, Values(number)));
  return row_of(rows);
}

Result<SpaceRow> Spaces::create(const Space& space) {
  const std::string tenant = without_nul(space.tenant), name = without_nul(space.name);
  const Values values(Bytes{space.tenant}, Bytes{space.name}, Text{tenant}, Text{name});
  FRACTAL_TRY_INTO(const Rows made, connection_.run(sql::create_space, values));
  if (made.count() > 0) {
    SpaceRow row;
    row.record.number = made.natural(0, 0);
    row.record.space = space;
    return row;
  }
  // Another program was faster, and has committed: the insertion waited for that.
  FRACTAL_TRY_INTO(auto row, find(space));
  if (row) return std::move(*row);
  return make_error(Errc::unavailable, "{}: the space was made and erased at the same moment", connection_.server());
}

Result<void> Spaces::save(const SpaceRow& row) {
  const SpaceRecord& record = row.record;
  return connection_.queue(sql::save_space,
                           Values(record.number, record.sequence, record.last_id, record.horizon, record.memories,
                                  record.semantic, record.links, record.vectors, record.dimension,
                                  static_cast<int>(record.metric), record.words[0], record.words[1], record.words[2],
                                  record.words[3], row.audit_records, row.audit_oldest, Bytes{record.embedder}));
}

}  // namespace fractal::postgres_backend
