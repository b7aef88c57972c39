// Invariant: what a space answers is exact (see flat_search.cpp), whatever its size.
#include "error.h"
#include "flat_space.h"
#include "guarded.h"
#include "space_map.h"

#include <memory>
#include <string_view>
#include <utility>

namespace fractal {
namespace {

constexpr std::string_view name = "vector index";

class FlatIndex final : public VectorIndex {
 public:
  explicit FlatIndex(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    return guarded(name, [&]() -> Result<void> {
      // A space takes no room before its first vector or its first search.
      const auto space = from == 0 && !changes.empty() ? find_or_add(to.number) : find(to.number);
      return space ? space->apply(to, from, changes) : Result<void>();
    });
  }

  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override {
    return guarded(name, [&]() -> Result<void> {
      return to.sequence == 0 ? Result<void>() : find_or_add(to.number)->catch_up(to, pull);
    });
  }

  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    return guarded(name, [&]() -> Result<VectorHits> {
      const auto found = find(space.number);
      const Taken taken = found ? found->take(query, 1.0 / 64) : Taken{};
      FRACTAL_TRY(check_moment(taken.view, query));
      return taken.allowed ? scan_slots(taken.view, query, taken.allowed->slots) : scan_view(taken.view, query);
    });
  }

  void drop(std::uint64_t space) override { spaces_.drop(space); }

  Stats stats(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->stats() : Stats{};
  }
  std::uint64_t bytes(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->bytes() : 0;
  }

 private:
  std::shared_ptr<FlatSpace> find(std::uint64_t space) const { return spaces_.find(space); }
  std::shared_ptr<FlatSpace> find_or_add(std::uint64_t space) {
    return spaces_.find_or_add(space, [this] { return std::make_shared<FlatSpace>(most_bytes_); });
  }

  const std::uint64_t most_bytes_;
  SpaceMap<FlatSpace> spaces_;
};

}  // namespace

std::shared_ptr<VectorIndex> make_flat_index(std::uint64_t most_bytes) {
  return std::make_shared<FlatIndex>(most_bytes);
}

}  // namespace fractal
