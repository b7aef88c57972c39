// Invariant: a number is never given twice: the table's key is AUTOINCREMENT.
#include "backends/sqlite/spaces.h"

#include "backends/sqlite/rows.h"
#include "src/error.h"

namespace fractal::sqlite_backend {
namespace {

Result<std::optional<SpaceRow>> row_of(Query& query) {
  FRACTAL_TRY_INTO(const bool there, query.step());
  std::optional<SpaceRow> row;
  if (there) read_space(query, row.emplace());
  return row;
}

}  // namespace

Result<std::optional<SpaceRow>> Spaces::find(const Space& space) {
  Query query(connection_, Sql::space_by_name, TextValue{space.tenant}, TextValue{space.name});
  return row_of(query);
}

Result<std::optional<SpaceRow>> Spaces::find(std::uint64_t number) {
  Query query(connection_, Sql::space_by_number, number);
  return row_of(query);
}

Result<SpaceRow> Spaces::create(const Space& space) {
  FRACTAL_TRY(Query(connection_, Sql::create_space, TextValue{space.tenant}, TextValue{space.name}).run());
  SpaceRow row;
  row.record.number = static_cast<std::uint64_t>(sqlite3_last_insert_rowid(connection_.handle()));
  row.record.space = space;
  return row;
}

Result<void> Spaces::save(const SpaceRow& row) {
  const SpaceRecord& record = row.record;
  return Query(connection_, Sql::save_space, record.number, record.sequence, record.last_id, record.horizon,
               record.memories, record.semantic, record.links, record.vectors, record.dimension,
               static_cast<int>(record.metric), record.words[0], record.words[1], record.words[2], record.words[3],
               row.audit_records, row.audit_oldest, TextValue{record.embedder})
      .run();
}

}  // namespace fractal::sqlite_backend
