// Deadlines, cancel flags and progress of every call that may take long.
#include "engine.h"

#include <fractal/copy.h>

#include <filesystem>
#include <functional>
#include <sstream>

using namespace engine;

namespace {

FractalMemory filled() {
  const auto memory = open_fresh();
  Batch batch;
  for (double i = 0; i < 3000; ++i) {
    batch.store(
        {.coordinate = {1, i}, .payload = R"({"text": "tea", "n": 1})", .embedding = {1, static_cast<float>(i)}});
    batch.link({.from = {1, i}, .to = {1, i + 1}});
  }
  memory.apply(batch).value();
  return memory;
}

struct LongCall {
  const char* name;
  std::function<Result<void>(const FractalMemory&, const Control&)> run;
};

template <class T> Result<void> without_value(const Result<T>& result) {
  return result ? Result<void>{} : Result<void>(result.error());
}

std::vector<LongCall> long_calls() {
  static const std::vector<float> vector{1, 1};
  static const Filter filter = Filter::eq("n", 1);
  std::vector<LongCall> calls;
  const auto add = [&](const char* name, auto run) {
    calls.push_back({name, [run](const FractalMemory& memory, const Control& control) {
                       return without_value(run(memory, control));
                     }});
  };
  using const_memory = const FractalMemory&;
  using const_control = const Control&;
  add("search by vector", [](const_memory m, const_control c) { return m.search(vector, {.control = c}); });
  add("search by keyword", [](const_memory m, const_control c) { return m.search("tea", {.control = c}); });
  add("search hybrid", [](const_memory m, const_control c) {
    return m.search({.text = "tea", .vector = vector}, {.filter = filter, .control = c});
  });
  add("list", [](const_memory m, const_control c) { return m.list({.control = c}); });
  add("list filtered", [](const_memory m, const_control c) { return m.list({.filter = !filter, .control = c}); });
  add("within", [](const_memory m, const_control c) { return m.within({1}, {.control = c}); });
  add("near", [](const_memory m, const_control c) { return m.near({1, 1}, {.control = c}); });
  add("near filtered", [](const_memory m, const_control c) {
    return m.near({1, 1}, {.filter = filter, .control = c});
  });
  add("neighbors", [](const_memory m, const_control c) { return m.neighbors({1, 1}, {.hops = 64, .control = c}); });
  add("path", [](const_memory m, const_control c) { return m.path({1, 1}, {1, 50}, {.max_hops = 64, .control = c}); });
  add("weighted path", [](const_memory m, const_control c) {
    return m.path({1, 1}, {1, 50}, {.max_hops = 64, .weighted = true, .control = c});
  });
  add("export_memories", [](const_memory m, const_control c) {
    std::ostringstream out;
    return m.export_memories(out, {.control = c});
  });
  add("export_graph", [](const_memory m, const_control c) {
    std::ostringstream out;
    return m.export_graph(out, GraphFormat::json, {.control = c});
  });
  add("import_memories", [](const_memory m, const_control c) {
    std::istringstream in("{\"coordinate\": [5]}\n{\"coordinate\": [6]}\n");
    return m.import_memories(in, {.control = c});
  });
  add("create_index", [](const_memory m, const_control c) { return m.create_index("n", c); });
  add("verify", [](const_memory m, const_control c) { return m.verify(c); });
  add("repair", [](const_memory m, const_control c) { return m.repair(c); });
  add("maintain", [](const_memory m, const_control c) { return m.maintain({.purge = true, .control = c}); });
  add("backup", [](const_memory m, const_control c) { return m.backup(fresh_path("copy.db"), c); });
  add("copy_space", [](const_memory m, const_control c) { return copy_space(m, open_fresh(), {.control = c}); });
  return calls;
}

}  // namespace

TEST_CASE("a call that is cancelled or too late stops with unavailable and leaves all as it was") {
  const auto memory = filled();
  const std::string before = exported(memory);
  const std::atomic<bool> cancelled{true};
  for (const LongCall& call : long_calls()) {
    CAPTURE(call.name);
    const Error stopped = error_of(call.run(memory, {.cancel = &cancelled}));
    CHECK(stopped.code == Errc::unavailable);
    CHECK(mentions(stopped, "cancel"));
    const Error late =
        error_of(call.run(memory, {.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)}));
    CHECK(late.code == Errc::unavailable);
    CHECK(mentions(late, "deadline"));
  }
  CHECK(exported(memory) == before);
  CHECK(memory.stats().value().indexed_fields.empty());
}

TEST_CASE("the same calls, not stopped, do their work") {
  const auto memory = filled();
  const std::atomic<bool> cancelled{false};
  for (const LongCall& call : long_calls()) {
    CAPTURE(call.name);
    const auto result =
        call.run(memory, {.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1), .cancel = &cancelled});
    if (!result) CAPTURE(result.error().message);
    CHECK(result.has_value());
  }
}

TEST_CASE("calls stop in the middle, too") {
  const auto memory = filled();
  const std::string before = exported(memory);
  std::atomic<bool> cancel{false};
  std::uint64_t reports = 0;
  const Control control{.cancel = &cancel, .progress = [&](std::uint64_t, std::uint64_t) {
                          ++reports;
                          cancel = true;
                        }};
  std::ostringstream out;
  CHECK(error_of(memory.export_memories(out, {.control = control})).code == Errc::unavailable);
  CHECK(out.str().size() < before.size());
  CHECK(reports >= 1);
  cancel = false;
  reports = 0;
  CHECK(error_of(memory.repair(control)).code == Errc::unavailable);
  CHECK(reports >= 1);
  CHECK(exported(memory) == before);
  CHECK(memory.search("tea").value().matched == 3000);

  cancel = false;
  const auto copy = open_fresh();
  std::istringstream in(before);
  CHECK(error_of(copy.import_memories(in, {.batch = 100, .control = control})).code == Errc::unavailable);
  CHECK(copy.stats().value().memories == 100);  // one batch
}

TEST_CASE("progress rises to the total") {
  const auto memory = filled();
  struct Report {
    std::uint64_t calls = 0, last = 0, total = 0;
  };
  const auto watched = [](const std::function<Result<void>(const Control&)>& run) {
    Report report;
    run({.progress = [&](std::uint64_t done, std::uint64_t total) {
      CHECK(done >= report.last);
      if (total != 0) CHECK(done <= total);
      ++report.calls;
      report.last = done;
      report.total = total;
    }}).value();
    return report;
  };
  std::ostringstream out;
  const Report exporting =
      watched([&](const Control& c) { return without_value(memory.export_memories(out, {.control = c})); });
  CHECK(exporting.calls >= 2);
  CHECK(exporting.total == 6000);
  const Report drawing = watched([&](const Control& c) {
    std::ostringstream ignored;
    return without_value(memory.export_graph(ignored, GraphFormat::dot, {.control = c}));
  });
  CHECK(drawing.calls >= 2);
  const Report importing = watched([&](const Control& c) {
    std::istringstream in(out.str());
    return without_value(open_fresh().import_memories(in, {.batch = 500, .control = c}));
  });
  CHECK(importing.calls == 12);
  CHECK(importing.last == 6001);
  const Report verifying = watched([&](const Control& c) { return without_value(memory.verify(c)); });
  CHECK(verifying.calls >= 3);
  const Report copying =
      watched([&](const Control& c) { return without_value(copy_space(memory, open_fresh(), {.control = c})); });
  CHECK(copying.calls >= 12);
  CHECK(copying.last == copying.total);
  CHECK(copying.total == 12'000);
  const Report backing_up = watched([&](const Control& c) { return memory.backup(fresh_path("copy.db"), c); });
  CHECK(backing_up.calls >= 1);
}
