// The storage in memory. Invariant: state_ is the newest commit, and only the holder of writer_ replaces it.
#include "backends/memory/state.h"
#include "src/error.h"
#include "src/guarded.h"
#include "src/validate.h"

#include <mutex>

namespace fractal {
namespace memory_backend {
namespace {

// The counters as the rows have them.
SpaceRecord recount(const SpaceData& data) {
  SpaceRecord record = data.record;
  record.memories = data.rows.size();
  record.links = data.links.size() / 2;
  record.semantic = record.vectors = 0;
  record.words = {};
  data.rows.walk(false, everything, [&](MemoryId, const RowPtr& row) {
    record.semantic += row->row.memory.type == MemoryType::semantic;
    record.vectors += row->row.has_vector;
    for (std::size_t i = 0; i < weight_classes; ++i) record.words[i] += row->row.words[i];
    return true;
  });
  return record;
}

class MemoryStorage final : public Storage {
 public:
  Result<void> apply(std::span<WriteStep> steps) override {
    return commit([&](State& state) -> Result<void> {
      for (WriteStep& step : steps) step.outcome = guarded("write", [&] { return run_step(step, state); });
      return {};
    });
  }

  Result<std::unique_ptr<ReadView>> read(const Space& space) override {
    const auto now = state();
    const std::uint64_t* number = now->numbers.find(space);
    if (number) return make_view(*now->spaces.find(*number));
    return make_view(std::make_shared<SpaceData>(SpaceData{.record = {.space = space}}));
  }

  Result<std::optional<Row>> get(const Space& space, std::string_view key, Columns columns) override {
    return (*read(space))->get(key, columns);
  }

  Result<std::vector<Space>> spaces() override { return keys_in(state()->numbers, everything); }
  Result<std::vector<std::string>> indexed_fields() override { return keys_in(state()->indexed, everything); }
  Result<std::optional<std::string>> setting(std::string_view name) override {
    const auto now = state();
    const std::string* value = now->settings.find(name);
    return value ? std::optional(*value) : std::nullopt;
  }

  // Filters are evaluated row by row, with or without.
  Result<void> create_index(std::string_view path, const Control& control) override {
    FRACTAL_TRY(check_control(control, "create index"));
    return commit([&](State& state) -> Result<void> {
      state.indexed.set(std::string(path), true);
      return {};
    });
  }

  Result<std::vector<std::string>> verify(const Control& control) override {
    const auto now = state();
    State scratch = *now;
    return mend_counters(scratch, control);
  }

  Result<std::vector<std::string>> repair(const Control& control) override {
    std::vector<std::string> sentences;
    FRACTAL_TRY(commit([&](State& state) -> Result<void> {
      FRACTAL_TRY_INTO(sentences, mend_counters(state, control));
      return {};
    }));
    return sentences;
  }

  // What no view needs is freed at once, and no file holds any of it.
  Result<std::uint64_t> maintain(bool, const Control& control) override {
    FRACTAL_TRY(check_control(control, "maintain"));
    return std::uint64_t{0};
  }

  Result<void> backup(const std::string& path, const Control&) override {
    return make_error(Errc::unsupported, "backup to {}: this storage has no file to copy", path);
  }

  std::string describe() const override { return "memory"; }
  std::vector<std::string> problems() override { return {}; }
  std::uint64_t bytes() override { return 0; }
  bool read_only() const override { return false; }

 private:
  static Result<std::vector<std::string>> mend_counters(State& state, const Control& control) {
    std::vector<std::string> sentences;
    for (const std::uint64_t number : keys_in(state.spaces, everything)) {
      FRACTAL_TRY(check_control(control, "count again"));
      SpaceData data = **state.spaces.find(number);
      const SpaceRecord truth = recount(data);
      if (data.record == truth) continue;
      sentences.push_back(fmt::format("space {}/{}: counters disagree with its {} memories and {} links",
                                      truth.space.tenant, truth.space.name, truth.memories, truth.links));
      data.record = truth;
      state.spaces.set(number, std::make_shared<const SpaceData>(std::move(data)));
    }
    return sentences;
  }

  std::shared_ptr<const State> state() const {
    const std::lock_guard lock(state_mutex_);
    return state_;
  }

  // Publishes what `edit` makes of the state, unless it fails. state_ keeps the one before: see OrderedMap.
  Result<void> commit(const auto& edit) {
    return guarded("write", [&]() -> Result<void> {
      const std::lock_guard turn(writer_);
      State next = *state();
      FRACTAL_TRY(edit(next));
      auto fresh = std::make_shared<const State>(std::move(next));
      const std::lock_guard lock(state_mutex_);
      state_.swap(fresh);
      return {};
    });
  }

  std::mutex writer_;  // held by a writer for its turn
  mutable std::mutex state_mutex_;
  std::shared_ptr<const State> state_ = std::make_shared<const State>();
};

}  // namespace
}  // namespace memory_backend

std::shared_ptr<Storage> make_memory_storage() { return std::make_shared<memory_backend::MemoryStorage>(); }

}  // namespace fractal
