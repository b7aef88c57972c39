// The SQLite storage.
#ifndef FRACTAL_BACKENDS_SQLITE_SQLITE_STORAGE_H
#define FRACTAL_BACKENDS_SQLITE_SQLITE_STORAGE_H

#include <fractal/backend.h>

#include "backends/sqlite/file.h"

#include <memory>

namespace fractal::sqlite_backend {

class SqliteStorage final : public Storage {
 public:
  explicit SqliteStorage(std::shared_ptr<File> file) : file_(std::move(file)) {}

  Result<void> apply(std::span<WriteStep> steps) override;
  void tidy() override { file_->tidy_log(); }
  Result<std::unique_ptr<ReadView>> read(const Space& space) override;
  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override;
  Result<std::vector<Space>> spaces() override;
  Result<std::optional<std::string>> setting(std::string_view name) override;
  Result<std::vector<std::string>> indexed_fields() override;

  Result<void> create_index(std::string_view path, const Control& control) override;
  Result<std::vector<std::string>> verify(const Control& control) override;
  Result<std::vector<std::string>> repair(const Control& control) override;
  Result<std::uint64_t> maintain(bool purge, const Control& control) override;
  Result<void> backup(const std::string& path, const Control& control) override;

  std::string describe() const override;
  std::vector<std::string> problems() override;
  std::uint64_t bytes() override;
  bool read_only() const override { return file_->read_only(); }

 private:
  std::shared_ptr<File> file_;
};

}  // namespace fractal::sqlite_backend

#endif
