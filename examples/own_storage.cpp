// A storage of one's own, made from a built-in one: it keeps a journal of the commits and refuses to let a
// space grow beyond a number of memories. All the rules of the library hold as before.
#include <fractal/backend.h>
#include <fractal/format.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

class GuardedStorage : public fractal::StorageWrapper {
 public:
  GuardedStorage(std::shared_ptr<fractal::Storage> inner, fractal::Space space, std::uint64_t most)
      : StorageWrapper(std::move(inner)), space_(std::move(space)), most_(most) {}

  // Adds a check to the end of each caller's step: a step that fails is undone alone.
  fractal::Result<void> apply(std::span<fractal::WriteStep> steps) override {
    for (auto& step : steps) {
      step.run = [this, run = std::move(step.run)](fractal::WriteTransaction& transaction) -> fractal::Result<void> {
        auto done = run(transaction);
        return done ? check(transaction) : done;
      };
    }
    auto committed = StorageWrapper::apply(steps);
    std::size_t done = 0;
    for (const auto& step : steps) done += step.outcome ? 1 : 0;
    std::lock_guard lock(mutex_);
    journal_.push_back(fmt::format("commit {}: {} of {} writes", journal_.size() + 1, done, steps.size()));
    return committed;
  }

  std::string describe() const override { return inner_->describe() + ", guarded"; }
  std::vector<std::string> journal() const {
    std::lock_guard lock(mutex_);
    return journal_;
  }

 private:
  fractal::Result<void> check(fractal::WriteTransaction& transaction) const {
    auto record = transaction.space(space_);
    if (!record) return record.error();
    if ((*record)->memories <= most_) return {};
    return fractal::Error{fractal::Errc::unavailable, fmt::format("space {} is full: {} memories", space_, most_)};
  }

  fractal::Space space_;
  std::uint64_t most_;
  mutable std::mutex mutex_;
  std::vector<std::string> journal_;
};

}  // namespace

int main() try {
  auto storage = std::make_shared<GuardedStorage>(fractal::make_memory_storage(), fractal::Space{}, 3);
  auto memory = fractal::FractalMemory::open({.storage = storage}).value();

  std::size_t refused = 0;
  for (double i = 1; i <= 5; ++i) {
    auto written = memory.store({.coordinate = {i}, .payload = fmt::format(R"({{"text": "note {}"}})", i)});
    refused += written ? 0 : 1;
    fmt::print("store {}: {}\n", i, written ? "ok" : fmt::format("{}", written.error()));
  }
  memory.remove({1}).value();
  memory.store({.coordinate = {4}, .payload = R"({"text": "note 4"})"}).value();
  fmt::print("\njournal of \"{}\"\n", memory.health().value().backend);
  for (const auto& line : storage->journal()) fmt::print("  {}\n", line);
  const auto stored = memory.stats().value().memories;
  fmt::print("{} memories, {} refused\n", stored, refused);
  return stored == 3 && refused == 2 ? 0 : 1;
} catch (const std::exception& failure) {
  fmt::print(stderr, "own_storage: {}\n", failure.what());
  return 1;
}
