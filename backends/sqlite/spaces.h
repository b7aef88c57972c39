// The rows of sfm_namespaces, for the cache of a commit.
#ifndef FRACTAL_BACKENDS_SQLITE_SPACES_H
#define FRACTAL_BACKENDS_SQLITE_SPACES_H

#include "backends/sqlite/connection.h"
#include "src/space_cache.h"

namespace fractal::sqlite_backend {

class Spaces final : public SpaceRows {
 public:
  explicit Spaces(Connection& connection) : connection_(connection) {}
  Result<std::optional<SpaceRow>> find(const Space& space) override;
  Result<std::optional<SpaceRow>> find(std::uint64_t number) override;
  Result<SpaceRow> create(const Space& space) override;
  Result<void> save(const SpaceRow& row) override;

 private:
  Connection& connection_;
};

}  // namespace fractal::sqlite_backend

#endif
