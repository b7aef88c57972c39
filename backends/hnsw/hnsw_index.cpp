// Invariant: the background thread only ever calls build(); whatever it does or fails to do, answers come from
// complete rows. It has stopped before anything that it uses goes.
#include "backends/hnsw/hnsw_index.h"

#include "backends/hnsw/hnsw_space.h"
#include "src/builder.h"
#include "src/error.h"
#include "src/guarded.h"
#include "src/space_map.h"
#include "src/validate.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace fractal::hnsw {
namespace {

constexpr std::string_view name = "vector index";

class HnswIndex final : public VectorIndex {
 public:
  HnswIndex(const IndexOptions& options, Home home, std::uint64_t most_bytes)
      : setting_{options, std::move(home), nullptr, most_bytes},
        builder_([this](std::uint64_t space) { build_behind(space); }) {
    if (options.files && !setting_.home.folder.empty()) {
      setting_.folder = std::make_unique<GenerationFolder>(setting_.home.folder, setting_.home.database, options.map);
    }
  }
  HnswIndex(const HnswIndex&) = delete;
  HnswIndex& operator=(const HnswIndex&) = delete;
  ~HnswIndex() override { builder_.stop(); }

  Result<void> apply(const SpaceRecord& to, std::uint64_t from, std::span<const VectorChange> changes) override {
    return guarded(name, [&]() -> Result<void> {
      // A space takes no room before its first vector or its first search. One that has files is loaded first.
      const auto space = from == 0 && !changes.empty() ? find_or_add(to.number) : find(to.number);
      if (!space) return {};
      FRACTAL_TRY(space->apply(to, from, changes));
      enqueue_if_due(*space, to.number);
      return {};
    });
  }

  Result<void> catch_up(const SpaceRecord& to, const Pull& pull) override {
    return guarded(name, [&]() -> Result<void> {
      if (to.sequence == 0) return {};
      const auto space = find_or_add(to.number);
      if (space->applied() >= to.sequence) return {};
      FRACTAL_TRY(space->catch_up(to, pull));
      enqueue_if_due(*space, to.number);
      return {};
    });
  }

  Result<VectorHits> search(const SpaceRecord& space, const VectorQuery& query) override {
    return guarded(name, [&]() -> Result<VectorHits> {
      const auto found = find(space.number);
      return found ? found->search(query) : HnswSpace(setting_, space.number).search(query);
    });
  }

  void drop(std::uint64_t space) override {
    if (const auto dropped = spaces_.drop(space)) dropped->abandon();
  }

  void erase(std::uint64_t space) override {
    if (const auto dropped = spaces_.drop(space)) dropped->retire();
    if (!setting_.folder || setting_.folder->bytes(space) == 0) return;
    const auto writing = setting_.folder->lock();  // if another process has it, that is of no harm to these files
    if (auto removed = setting_.folder->keep_only(space, {}); !removed) note(removed.error().message);
  }

  std::uint64_t applied(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->applied() : 0;
  }

  Stats stats(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->stats() : Stats{};
  }
  std::uint64_t file_bytes() override { return setting_.folder ? setting_.folder->bytes() : 0; }
  std::uint64_t bytes(std::uint64_t space) override {
    const auto found = find(space);
    return found ? found->bytes() : 0;
  }

  Result<void> build(std::uint64_t space, bool anew, const Control& control) override {
    return guarded(name, [&]() -> Result<void> {
      const auto found = find(space);
      if (!found || found->is_small()) return anew ? forget_files(space) : Result<void>();
      Result<void> ok;
      const auto keep_on = [&](std::uint64_t done, std::uint64_t total) {
        ok = check_control(control, "maintain");
        if (ok && control.progress) control.progress(done, total);
        return ok.has_value();
      };
      auto built = found->build(anew, std::max(1U, std::thread::hardware_concurrency()), keep_on);
      if (!ok) return ok;
      if (built || found->check_room(anew)) return built;
      // There is no room: noted by the space, which goes with its files.
      if (!anew) return {};
      note(built.error().message);
      return forget_files(space);
    });
  }

  Result<std::vector<std::string>> verify(const SpaceRecord& space, const Pull& pull, const Control& control) override {
    const auto found = find(space.number);
    return found ? found->verify(space, pull, control) : std::vector<std::string>{};
  }

  std::vector<std::string> problems() override {
    std::vector<std::string> problems;
    spaces_.each([&](const HnswSpace& space) {
      if (auto problem = space.problem(); !problem.empty()) problems.push_back(std::move(problem));
    });
    const std::lock_guard lock(problem_mutex_);
    if (!problem_.empty()) problems.push_back(problem_);
    std::sort(problems.begin(), problems.end());
    return problems;
  }

 private:
  Result<void> forget_files(std::uint64_t space) {
    if (!setting_.folder) return {};
    FRACTAL_TRY_INTO(const auto published, setting_.home.published(space));
    if (!published || published->empty()) return {};
    FRACTAL_TRY(setting_.home.publish(space, ""));
    erase(space);
    return {};
  }

  std::shared_ptr<HnswSpace> find(std::uint64_t space) const { return spaces_.find(space); }
  std::shared_ptr<HnswSpace> find_or_add(std::uint64_t space) {
    return spaces_.find_or_add(space, [&] { return std::make_shared<HnswSpace>(setting_, space); });
  }

  void enqueue_if_due(const HnswSpace& space, std::uint64_t number) {
    if (setting_.options.background && space.is_due()) builder_.enqueue(number);
  }

  void build_behind(std::uint64_t number) {
    const auto space = find(number);
    if (!space) return;
    try {
      // What goes wrong is noted by the space, and tried again when it has grown.
      (void)space->build(false, 1, [this](std::uint64_t, std::uint64_t) { return !builder_.stopping(); });
    } catch (const std::exception& failure) { space->note(failure.what()); }
  }

  void note(std::string problem) {
    const std::lock_guard lock(problem_mutex_);
    problem_ = std::move(problem);
  }

  Setting setting_;
  SpaceMap<HnswSpace> spaces_;
  std::mutex problem_mutex_;
  std::string problem_;
  Builder builder_;  // the last: it stops before the rest goes
};

}  // namespace

std::shared_ptr<VectorIndex> make_index(const IndexOptions& options, Home home, std::uint64_t most_bytes) {
  return std::make_shared<HnswIndex>(options, std::move(home), most_bytes);
}

}  // namespace fractal::hnsw
