// The storage that fails on purpose, on the storage in memory: each call of a workload fails once, and from
// there on; a step either counts as a whole or not at all.
#include "fault_storage.h"

#include "conformance/storage_model.h"

#include <doctest/doctest.h>

namespace fractal::conformance {
namespace {

using testing::Fault;
using testing::FaultStorage;

const Space here{"tenant", "faults"};

// Writes, then reads. `model` follows what was committed; returns the errors met.
std::vector<Error> work(Storage& storage, Model& model) {
  std::vector<Error> errors;
  const auto note = [&](const auto& result) {
    if (!result) errors.push_back(result.error());
  };
  for (int i = 0; i < 3; ++i) {
    Model next = model;
    std::vector<WriteStep> steps{make_step([&](WriteTransaction& transaction) {
      Writer writer(transaction, next, here);
      writer.store(make_memory({1.0 * i}), words("w1"));
      writer.store(make_memory({7}), words("w2"));
      writer.link({.from = "a", .to = "b", .type = "c"});
      writer.audit({.at = at(1), .action = "create", .subject = "s"});
      if (i == 2) writer.remove(Coordinate{7}.key()), writer.unlink("a", "b", "c"), writer.setting("a", "b");
    })};
    const auto applied = storage.apply(steps);
    note(applied);
    if (applied) note(steps[0].outcome);
    if (applied && steps[0].outcome) model = std::move(next);
  }
  note(storage.get(here, "a", Columns::all));
  note(storage.spaces());
  note(storage.setting("a"));
  note(storage.verify({}));
  auto view = storage.read(here);
  note(view);
  if (!view) return errors;
  note((*view)->get("a", Columns::all));
  note((*view)->list({}));
  note((*view)->keys("", "", [](const KeyRow&) { return true; }));
  note((*view)->changes(0, 10));
  note((*view)->vectors(0, VectorColumns::vector, [](const VectorChange&) { return true; }));
  return errors;
}

}  // namespace

TEST_CASE("fault storage: without a fault it forwards and counts") {
  FaultStorage storage(make_memory_storage());
  Model model;
  CHECK(work(storage, model).empty());
  CHECK(storage.calls() > 40);
  CHECK(storage.failures() == 0);
  compare(storage, model);
}

TEST_CASE("fault storage: every call of a workload fails, once or for ever") {
  for (const Fault fault : {Fault::once, Fault::for_ever}) {
    std::uint64_t n = 1;
    for (bool hit = true; hit; ++n) {
      CAPTURE(n);
      FaultStorage storage(make_memory_storage());
      storage.fail_at(n, fault);
      Model model;
      const auto errors = work(storage, model);
      hit = storage.failures() > 0;
      CHECK(errors.empty() == !hit);
      for (const Error& error : errors) CHECK(error.code == Errc::io);
      if (fault == Fault::once) CHECK(errors.size() <= 1);
      storage.fail_at(0);
      compare(storage, model);
    }
    CHECK(n > 40);
  }
}

TEST_CASE("fault storage: a commit that fails keeps nothing, the next one works") {
  FaultStorage storage(make_memory_storage());
  Model model, lost;
  commit(storage, model, here, [](Writer& writer) { writer.store(make_memory({1})); });
  lost = model;
  WriteStep step =
      make_step([&](WriteTransaction& transaction) { Writer(transaction, lost, here).store(make_memory({2})); });
  storage.fail_next_commit();
  const auto applied = storage.apply({&step, 1});
  REQUIRE_FALSE(applied.has_value());
  CHECK(applied.error().code == Errc::io);
  compare(storage, model);
  lost = model;
  REQUIRE(storage.apply({&step, 1}).has_value());
  CHECK(step.outcome.has_value());
  compare(storage, lost);
}

}  // namespace fractal::conformance
