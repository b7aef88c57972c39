// Invariant: every call takes either the writer, one thread at a time, or a reader connection of its own.
#include "backends/sqlite/sqlite_storage.h"

#include "backends/sqlite/read_view.h"
#include "backends/sqlite/rows.h"
#include "backends/sqlite/write_transaction.h"
#include "src/error.h"

#include <sys/stat.h>

namespace fractal::sqlite_backend {
namespace {

// A log that large means that somebody holds on to an old state.
constexpr std::uint64_t large_log = 1u << 30;

std::uint64_t file_size(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace

Result<void> SqliteStorage::apply(std::span<WriteStep> steps) {
  if (steps.empty()) return {};
  FRACTAL_TRY_INTO(const auto writer, file_->writer("write"));
  FRACTAL_TRY_INTO(const bool committed, run_steps(*writer, steps));
  if (committed) file_->pin_log_if_due();
  return {};
}

Result<std::unique_ptr<ReadView>> SqliteStorage::read(const Space& space) {
  FRACTAL_TRY_INTO(auto reader, file_->reader());
  return open_view(std::move(reader), space);
}

Result<std::optional<Row>> SqliteStorage::get(const Space& space, std::string_view key, Columns columns) {
  FRACTAL_TRY_INTO(const auto reader, file_->reader());
  Query query(*reader, of(Sql::get_header, columns), TextValue{space.tenant}, TextValue{space.name}, BlobValue{key});
  return read_one(*reader, query, columns);
}

Result<std::vector<Space>> SqliteStorage::spaces() {
  FRACTAL_TRY_INTO(const auto reader, file_->reader());
  Query query(*reader, Sql::spaces);
  std::vector<Space> spaces;
  for (;;) {
    FRACTAL_TRY_INTO(const bool row, query.step());
    if (!row) return spaces;
    spaces.push_back({std::string(query.bytes(0)), std::string(query.bytes(1))});
  }
}

Result<std::optional<std::string>> SqliteStorage::setting(std::string_view name) {
  FRACTAL_TRY_INTO(const auto reader, file_->reader());
  Query query(*reader, Sql::setting, TextValue{name});
  FRACTAL_TRY_INTO(const bool there, query.step());
  return there ? std::optional(std::string(query.bytes(0))) : std::nullopt;
}

Result<std::vector<std::string>> SqliteStorage::indexed_fields() {
  FRACTAL_TRY_INTO(const auto reader, file_->reader());
  FRACTAL_TRY_INTO(auto fields, read_fields(*reader));
  std::vector<std::string> paths;
  for (Field& field : fields) paths.push_back(std::move(field.path));
  return paths;
}

std::string SqliteStorage::describe() const { return fmt::format("sqlite {}", sqlite3_libversion()); }

std::vector<std::string> SqliteStorage::problems() {
  std::vector<std::string> problems;
  const std::uint64_t log = file_size(file_->path() + "-wal");
  if (log >= large_log) {
    problems.push_back(fmt::format("{}: the log has {} bytes: a snapshot or another process holds on to an old state",
                                   file_->path(), log));
  }
  if (auto problem = file_->log_problem()) problems.push_back(std::move(*problem));
  return problems;
}

std::uint64_t SqliteStorage::bytes() { return file_size(file_->path()) + file_size(file_->path() + "-wal"); }

}  // namespace fractal::sqlite_backend

namespace fractal {

Result<std::shared_ptr<Storage>> open_sqlite_storage(const Options& options) {
  FRACTAL_TRY_INTO(auto file, sqlite_backend::File::open(options));
  return std::shared_ptr<Storage>(std::make_shared<sqlite_backend::SqliteStorage>(std::move(file)));
}

}  // namespace fractal
