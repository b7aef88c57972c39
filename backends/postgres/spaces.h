// The rows of sfm_namespaces, for the cache of a commit. What is found is locked until its end.
#ifndef FRACTAL_BACKENDS_POSTGRES_SPACES_H
#define FRACTAL_BACKENDS_POSTGRES_SPACES_H

#include "backends/postgres/connection.h"
#include "src/space_cache.h"

namespace fractal::postgres_backend {

class Spaces final : public SpaceRows {
 public:
  explicit Spaces(Connection& connection) : connection_(connection) {}
  Result<std::optional<SpaceRow>> find(const Space& space) override;
  Result<std::optional<SpaceRow>> find(std::uint64_t number) override;
  Result<SpaceRow> create(const Space& space) override;
  Result<void> save(const SpaceRow& row) override;  // queued

 private:
  Connection& connection_;
};

}  // namespace fractal::postgres_backend

#endif
