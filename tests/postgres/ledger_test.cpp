// A ledger that finds nothing wrong is worth what it would find: here it is told lies.
#include "tests/postgres/ledger.h"

#include <fractal/backend.h>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace {

using namespace fractal;

struct Told {
  Told() {
    Options options;
    options.embedder = nullptr;
    options.audit.payloads = true;
    memory.emplace(FractalMemory::open(options).value());
    write(store(1, "a"));
  }

  static Batch store(double place, const std::string& token) {
    Batch batch;
    batch.store({.coordinate = {place}, .payload = R"({"token":")" + token + "\"}"});
    return batch;
  }
  Applied write(const Batch& batch) {
    const auto answer = memory->apply(batch);
    ledger.note(space, batch, answer);
    return *answer;
  }
  std::size_t differences() const { return ledger.differences(*memory).size(); }

  const Space space{};
  std::optional<FractalMemory> memory{};
  testing::Ledger ledger{};
};

const Error lost{Errc::unavailable, "lost"}, refused{Errc::conflict, "refused"};

}  // namespace

TEST_CASE("a ledger of what happened agrees with it") {
  Told told;
  Batch batch = Told::store(2, "b");
  batch.store({.coordinate = {1}, .payload = R"({"token":"c"})"}).link({.from = {7}, .to = {8}, .type = "d"});
  told.write(batch);
  Batch gone;
  gone.remove({1}).unlink({7}, {8}, "d").remove({99});
  told.write(gone);
  told.ledger.note(told.space, Told::store(5, "never"), lost);
  told.ledger.note(told.space, Told::store(5, "not this"), refused);
  const Batch late = Told::store(6, "late");
  told.memory->apply(late).value();
  told.ledger.note(told.space, late, lost);
  CHECK(told.ledger.differences(*told.memory) == std::vector<std::string>{});
  CHECK(told.ledger.counts().acknowledged == 7);
  CHECK(told.ledger.counts().unknown == 2);
  CHECK(told.ledger.counts().refused == 1);
}

TEST_CASE("a ledger tells of each lie") {
  Told told;
  SUBCASE("an acknowledged change is lost") {
    told.ledger.note(told.space, Told::store(2, "b"), Applied{2, {{.version = 1, .sequence = 2}}});
  }
  SUBCASE("a number was given twice") {
    told.ledger.note(told.space, Told::store(2, "b"), Applied{1, {{.version = 1, .sequence = 1}}});
  }
  SUBCASE("an acknowledged change is another one") {
    told.memory->apply(Told::store(2, "x")).value();
    told.ledger.note(told.space, Told::store(2, "b"), Applied{2, {{.version = 1, .sequence = 2}}});
  }
  SUBCASE("it is another version") {
    told.memory->apply(Told::store(2, "b")).value();
    told.ledger.note(told.space, Told::store(2, "b"), Applied{2, {{.version = 2, .sequence = 2}}});
  }
  SUBCASE("a change is nobody's") { told.memory->apply(Told::store(2, "b")).value(); }
  SUBCASE("a refused change is there") {
    told.memory->apply(Told::store(2, "b")).value();
    told.ledger.note(told.space, Told::store(2, "b"), refused);
  }
  SUBCASE("a change was done twice") {
    told.memory->apply(Told::store(2, "b")).value();
    told.memory->apply(Told::store(2, "b")).value();
    told.ledger.note(told.space, Told::store(2, "b"), lost);
  }
  SUBCASE("half of a batch is there") {
    told.memory->apply(Told::store(2, "b")).value();
    Batch batch = Told::store(2, "b");
    batch.store({.coordinate = {3}, .payload = R"({"token":"c"})"});
    told.ledger.note(told.space, batch, lost);
  }
  SUBCASE("a batch was done in parts") {
    for (const char* token : {"b", "between", "c"}) told.memory->apply(Told::store(2, token)).value();
    told.ledger.note(told.space, Told::store(2, "between"), lost);
    Batch batch = Told::store(2, "b");
    batch.store({.coordinate = {2}, .payload = R"({"token":"c"})"});
    told.ledger.note(told.space, batch, lost);
  }
  SUBCASE("an error is one that no network has") {
    told.ledger.note(told.space, Told::store(2, "b"), Error{Errc::corruption, "no"});
  }
  CHECK(told.differences() > 0);
}
