// Invariant: what a step does depends on the state it finds and on nothing else.
#include "tests/faults/workloads.h"

#include "src/error.h"
#include "tests/faults/picture.h"

#include <sstream>
#include <utility>

namespace fractal::testing {
namespace {

using Run = std::function<Result<void>(const FractalMemory&)>;

Step step(std::string name, Run run) {
  return {std::move(name),
          [run = std::move(run)](const FractalMemory& memory, const std::string&) { return run(memory); }, true};
}

Step store(int number) {
  return step("store " + std::to_string(number), [number](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.store(numbered_memory(number)));
    return {};
  });
}

GraphLink between(int from, int to) {
  return {
      .from = numbered_memory(from).coordinate, .to = numbered_memory(to).coordinate, .type = "next", .strength = 0.5};
}

Step batch(std::string name, Batch entries) {
  return step(std::move(name), [entries = std::move(entries)](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.apply(entries));
    return {};
  });
}

Batch many(int first, int count) {
  Batch entries;
  for (int i = first; i < first + count; ++i) entries.store(numbered_memory(i));
  for (int i = first; i + 1 < first + count; ++i) entries.link(between(i, i + 1));
  return entries;
}

}  // namespace

Workload fill_workload() {
  Workload work{"fill", {}, {}};
  work.steps.push_back(store(1));
  work.steps.push_back(batch("batch of 6", many(2, 6)));
  work.steps.push_back(step("store in another space", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.in({"other", "space"}).store(numbered_memory(3)));
    return {};
  }));
  work.steps.push_back(batch("batch of 20", many(10, 20)));
  work.steps.push_back(store(2));
  return work;
}

Workload change_workload() {
  Workload work{"change", {batch("batch of 12", many(1, 12)), store(40)}, {}};
  work.steps.push_back(step("update a payload", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.update(numbered_memory(1).coordinate, {.payload = R"({"text":"common change"})"}));
    return {};
  }));
  work.steps.push_back(step("update a vector", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.update(numbered_memory(2).coordinate, {.embedding = numbered_vector(99)}));
    return {};
  }));
  work.steps.push_back(step("remove", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.remove(numbered_memory(3).coordinate));
    return {};
  }));
  work.steps.push_back(step("link", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.link(between(40, 1)));
    return {};
  }));
  work.steps.push_back(step("unlink", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.unlink(numbered_memory(5).coordinate, numbered_memory(6).coordinate, "next"));
    return {};
  }));
  Batch mixed;
  mixed.update(numbered_memory(6).coordinate, {.embedding = std::vector<float>()});
  mixed.remove(numbered_memory(7).coordinate);
  mixed.store(numbered_memory(50));
  mixed.link(between(50, 8));
  mixed.update(numbered_memory(8).coordinate, {.payload = R"({"year":null})", .importance = 9});
  work.steps.push_back(batch("a mixed batch", std::move(mixed)));
  work.steps.push_back(step("import", [](const FractalMemory& memory) -> Result<void> {
    std::istringstream lines(
        R"({"coordinate":[60],"payload":{"text":"common import"},"created_at":"2024-01-01T00:00:00Z"})"
        "\n"
        R"({"coordinate":[61],"payload":{"text":"common word3"},"created_at":"2024-01-01T00:00:00Z"})");
    FRACTAL_TRY(memory.import_memories(lines));
    return {};
  }));
  return work;
}

Workload upkeep_workload() {
  Workload work{"upkeep", {batch("batch of 16", many(1, 16))}, {}};
  work.before.push_back(step("store in another space", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.in({"other", "space"}).apply(many(1, 3)));
    return {};
  }));
  work.steps.push_back(step("remove", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.remove(numbered_memory(3).coordinate));
    return {};
  }));
  work.steps.push_back(step("maintain", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.maintain());
    return {};
  }));
  work.steps.push_back(step("create_index", [](const FractalMemory& memory) { return memory.create_index("year"); }));
  work.steps.push_back({"backup",
                        [](const FractalMemory& memory, const std::string& scratch) -> Result<void> {
                          if (scratch.empty()) return {};
                          return memory.backup(scratch);
                        },
                        false});
  work.steps.push_back(step("erase_space", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.in({"other", "space"}).erase_space());
    return {};
  }));
  work.steps.push_back(step("purge", [](const FractalMemory& memory) -> Result<void> {
    FRACTAL_TRY(memory.maintain({.purge = true}));
    return {};
  }));
  work.steps.push_back(store(70));
  return work;
}

}  // namespace fractal::testing
