// The PostgreSQL storage.
#ifndef FRACTAL_BACKENDS_POSTGRES_POSTGRES_STORAGE_H
#define FRACTAL_BACKENDS_POSTGRES_POSTGRES_STORAGE_H

#include <fractal/backend.h>
#include <fractal/postgres.h>

#include "backends/postgres/change_feed.h"
#include "backends/postgres/pool.h"

#include <atomic>

namespace fractal::postgres_backend {

// Whom the options mean; invalid_argument if they are none.
Result<Server> server_of(const PostgresOptions& options);

class PostgresStorage final : public Storage {
 public:
  PostgresStorage(std::shared_ptr<Pool> pool, bool read_only, bool row_security, int server_version)
      : pool_(std::move(pool)),
        feed_(std::make_shared<ChangeFeed>(pool_->server())),
        read_only_(read_only),
        row_security_(row_security),
        server_version_(server_version) {}

  Result<void> apply(std::span<WriteStep> steps) override;
  Result<std::unique_ptr<ReadView>> read(const Space& space) override;
  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override;
  Result<std::vector<Space>> spaces() override;
  Result<std::optional<std::string>> setting(std::string_view name) override;
  Result<std::vector<std::string>> indexed_fields() override;

  Result<std::vector<UnindexedRow>> unindexed(MemoryId after, std::size_t limit) override;
  Result<std::uint64_t> count_unindexed() override;

  Result<void> create_index(std::string_view path, const Control& control) override;
  Result<std::vector<std::string>> verify(const Control& control) override;
  Result<std::vector<std::string>> repair(const Control& control) override;
  Result<std::uint64_t> maintain(bool purge, const Control& control) override;
  Result<void> backup(const std::string& path, const Control& control) override;

  std::shared_ptr<void> listen(const ChangeListener& listener) override { return feed_->add(listener); }
  std::string describe() const override;
  std::vector<std::string> problems() override;
  std::uint64_t bytes() override;
  bool read_only() const override { return read_only_; }

 private:
  Result<void> may_write(std::string_view operation) const;

  std::shared_ptr<Pool> pool_;
  std::shared_ptr<ChangeFeed> feed_;
  const bool read_only_;
  std::atomic<bool> row_security_;  // another program may add it
  const int server_version_;
};

}  // namespace fractal::postgres_backend

#endif
