// Invariant: each of these calls is all or nothing for the rows; a stopped one leaves what was there.
#include "backends/sqlite/backup.h"
#include "backends/sqlite/field_values.h"
#include "backends/sqlite/sqlite_storage.h"
#include "backends/sqlite/verify.h"
#include "src/error.h"

#include <algorithm>

namespace fractal::sqlite_backend {
namespace {

// Runs inside one write transaction.
template <class Run> Result<void> in_transaction(Connection& connection, const Run& run) {
  FRACTAL_TRY(Query(connection, Sql::begin_write).run());
  Result<void> done;
  try {
    done = run();
  } catch (const std::exception& exception) {
    done = make_error(Errc::unavailable, "{}: {}", connection.path(), exception.what());
  }
  if (done) done = Query(connection, Sql::commit).run();
  if (!done) connection.rollback();
  if (done) connection.move_log_at_close(true);
  return done;
}

Result<void> add_field(Connection& connection, std::string_view path, const Control& control) {
  FRACTAL_TRY_INTO(const auto fields, read_fields(connection));
  std::int64_t number = 1;
  for (const Field& field : fields) {
    if (field.path == path) return {};
    number = std::max(number, field.number + 1);
  }
  if (fields.size() >= limits::indexed_fields) {
    return make_error(Errc::invalid_argument, "create_index: more than {} indexed fields", limits::indexed_fields);
  }
  FRACTAL_TRY(
      Query(connection, "INSERT INTO sfm_fields(number, path) VALUES (?1, ?2)", "create_index", number, TextValue{path})
          .run());
  const Field field{number, std::string(path)};
  return fill_field_values(connection, {&field, 1}, control);
}

// Moves the log into the file and empties it; bytes moved. Unless it must be `wholly` empty afterwards, what
// somebody still reads stays, and nobody is waited for.
Result<std::uint64_t> checkpoint(Connection& writer, bool wholly, std::int64_t page_size) {
  int moved = 0;
  // Counts what it moves; the one that empties the log does not.
  int code = sqlite3_wal_checkpoint_v2(writer.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, &moved);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return writer.error(code, "checkpoint");
  if (!wholly) writer.wait_for_others(false);
  code = sqlite3_wal_checkpoint_v2(writer.handle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  writer.wait_for_others(true);
  const bool busy = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
  if (busy && wholly) {
    return make_error(Errc::unavailable,
                      "{}: purge: a snapshot, a read or another process holds on to the old state; erased data is in "
                      "the log until the next purge",
                      writer.path());
  }
  if (code != SQLITE_OK && !busy) return writer.error(code, "checkpoint");
  return static_cast<std::uint64_t>(std::max(moved, 0)) * static_cast<std::uint64_t>(page_size);
}

}  // namespace

Result<void> SqliteStorage::create_index(std::string_view path, const Control& control) {
  FRACTAL_TRY_INTO(const auto writer, file_->writer("create_index"));
  const Obeying obeying(*writer, control);
  return in_transaction(*writer, [&] { return add_field(*writer, path, control); });
}

Result<std::vector<std::string>> SqliteStorage::verify(const Control& control) {
  std::vector<std::string> problems;
  {
    FRACTAL_TRY_INTO(const auto reader, file_->reader());
    const Obeying obeying(*reader, control);
    FRACTAL_TRY(Query(*reader, Sql::begin_read).run());
    auto found = find_problems(*reader);
    reader->rollback();
    FRACTAL_TRY_INTO(problems, std::move(found));
  }
  if (read_only()) return problems;
  FRACTAL_TRY_INTO(const auto writer, file_->writer("verify"));
  const Obeying obeying(*writer, control);
  FRACTAL_TRY_INTO(auto more, find_keyword_problems(*writer));
  problems.insert(problems.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return problems;
}

Result<std::vector<std::string>> SqliteStorage::repair(const Control& control) {
  FRACTAL_TRY_INTO(const auto writer, file_->writer("repair"));
  const Obeying obeying(*writer, control);
  std::vector<std::string> repaired;
  FRACTAL_TRY(in_transaction(*writer, [&]() -> Result<void> {
    FRACTAL_TRY_INTO(const bool sound, is_sound(*writer));
    if (sound) return {};
    FRACTAL_TRY_INTO(repaired, mend(*writer, control));
    return {};
  }));
  return repaired;
}

Result<std::uint64_t> SqliteStorage::maintain(bool purge, const Control& control) {
  const auto log = file_->hold_log();
  FRACTAL_TRY_INTO(const auto writer, file_->writer("maintain"));
  const Obeying obeying(*writer, control);
  FRACTAL_TRY_INTO(const auto page_size, writer->integer("PRAGMA page_size", "maintain"));
  if (!purge) {
    FRACTAL_TRY(writer->execute("INSERT INTO sfm_keywords(sfm_keywords) VALUES ('optimize')", "maintain keywords"));
    return checkpoint(*writer, false, *page_size);
  }
  // Deleted words stay in FTS5's segments until these are made anew.
  FRACTAL_TRY(writer->execute("INSERT INTO sfm_keywords(sfm_keywords) VALUES ('rebuild')", "purge keywords"));
  FRACTAL_TRY(writer->execute("VACUUM", "purge"));
  FRACTAL_TRY(checkpoint(*writer, true, *page_size));
  FRACTAL_TRY_INTO(const auto pages, writer->integer("PRAGMA page_count", "purge"));
  return static_cast<std::uint64_t>(*pages) * static_cast<std::uint64_t>(*page_size);
}

Result<void> SqliteStorage::backup(const std::string& path, const Control& control) {
  FRACTAL_TRY_INTO(const auto reader, file_->reader());
  const Obeying obeying(*reader, control);
  return back_up(*reader, path, control);
}

}  // namespace fractal::sqlite_backend
