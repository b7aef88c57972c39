// The rows of sfm_namespaces, for the cache of a commit. What is found is locked until its end.
#ifndef FRACTAL_BACKENDS_POSTGRES_SPACES_H
#define FRACTAL_BACKENDS_POSTGRES_SPACES_H

#include "backends/postgres/commit_mark.h"
#include "backends/postgres/connection.h"
#include "src/space_cache.h"

#include <map>
#include <set>
#include <unordered_map>

namespace fractal::postgres_backend {

class Spaces final : public SpaceRows {
 public:
  Spaces(Connection& connection, bool row_security) : connection_(connection), row_security_(row_security) {}
  // These were locked already, if they are among the rows of sql::lock_by_names.
  void asked_for(const Space& space) { asked_for_.insert(space); }
  void take(const Rows& rows);

  Result<std::optional<SpaceRow>> find(const Space& space) override;
  Result<std::optional<SpaceRow>> find(std::uint64_t number) override;
  Result<SpaceRow> create(const Space& space) override;
  Result<void> save(const SpaceRow& row) override;  // queued

  // Of the commit, once its rows are saved.
  const CommitMark& mark() const noexcept { return mark_; }
  // Number and sequence of the spaces that were saved.
  const std::map<std::uint64_t, std::uint64_t>& saved() const noexcept { return saved_; }

 private:
  std::optional<SpaceRow> row_of(const Rows& rows, int at);
  Result<void> see(std::uint64_t number);

  Connection& connection_;
  bool row_security_;
  std::set<Space> asked_for_{};
  std::map<Space, SpaceRow> locked_{};
  std::unordered_map<std::uint64_t, std::uint64_t> commits_{};  // of the spaces that are locked
  CommitMark mark_{.token = make_token()};
  std::map<std::uint64_t, std::uint64_t> saved_{};
};

}  // namespace fractal::postgres_backend

#endif
