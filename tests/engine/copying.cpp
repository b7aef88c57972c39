// copy_space(): the same memory elsewhere, whatever stops it and whoever writes meanwhile.
#include "bag_embedder.h"
#include "engine.h"

#include <fractal/copy.h>

#include "tests/fault_storage.h"
#include "tests/seeded_random.h"

using namespace engine;

namespace {

FractalMemory in_memory(Options options = {.embedder = nullptr}) {
  options.path = ":memory:";
  return FractalMemory::open(std::move(options)).value();
}

std::string number(std::size_t i) { return std::to_string(i); }

Memory numbered(std::size_t i) {
  return {.coordinate = {static_cast<double>(i % 7), static_cast<double>(i)},
          .payload = "{ \"text\": \"tea w" + number(i) + "\",\n\"n\": " + number(i) + "}",
          .type = i % 3 == 0 ? MemoryType::semantic : MemoryType::episodic,
          .embedding = i % 4 == 0 ? std::vector<float>{} : std::vector<float>{1, static_cast<float>(i), -0.0f},
          .importance = i % 5 == 0 ? -0.0 : static_cast<double>(i) / 3,
          .metadata = "{\"m\" : 1.50}"};
}

GraphLink numbered_link(std::size_t i) {
  return {.from = numbered(i).coordinate,
          .to = {99, static_cast<double>(i)},
          .type = i % 2 == 0 ? "a \"b\"\n\xE2\x98\x95" : "related",
          .strength = static_cast<double>(i) / 7,
          .metadata = "{\"n\":  2}"};
}

void fill(const FractalMemory& memory, std::size_t n) {
  Batch batch;
  for (std::size_t i = 0; i < n; ++i) batch.store(numbered(i)).link(numbered_link(i));
  memory.apply(batch).value();
}

// A copy that is stopped, at the earliest, after so many memories and links.
Error stopped_copy(const FractalMemory& from, const FractalMemory& to, std::uint64_t after, std::size_t batch) {
  std::atomic<bool> stop{false};
  const Control control{.cancel = &stop,
                        .progress = [&](std::uint64_t done, std::uint64_t) { stop = stop || done >= after; }};
  return error_of(copy_space(from, to, {.batch = batch, .control = control}));
}

// A source that somebody else writes to at each sign of progress.
CopyReport disturbed_copy(const FractalMemory& from, const FractalMemory& to, std::size_t batch,
                          std::function<void()> disturb) {
  const Control control{.progress = [&](std::uint64_t, std::uint64_t) { disturb(); }};
  return copy_space(from, to, {.batch = batch, .control = control}).value();
}

}  // namespace

TEST_CASE("a copy has every byte, id, version and time, and so has its copy") {
  TestClock clock;
  const auto from = FractalMemory::open(clock.on(fresh_options())).value();
  for (const Space& space : {Space{"alice", "notes"}, Space{"bob", "notes"}}) {
    const auto one = from.in(space);
    fill(one, space.tenant == "alice" ? 300 : 20);
    clock.advance(std::chrono::seconds(1));
    one.update({1, 1}, {.payload = R"({"n": null, "more": [1.0, 1e5]})"}).value();
    one.store({.coordinate = {-5e-324, 0.1}, .expires_at = clock.now() + std::chrono::hours(1)}).value();
  }
  const auto middle = in_memory(clock.on({.embedder = nullptr}));
  const auto to = FractalMemory::open(clock.on(fresh_options())).value();
  std::string digest;
  for (const Space& space : from.spaces().value()) {
    clock.advance(std::chrono::seconds(1));
    const auto there = copy_space(from.in(space), middle.in(space)).value();
    const auto back = copy_space(middle.in(space), to.in(space)).value();
    const std::uint64_t rows = space.tenant == "alice" ? 300 : 20;
    for (const CopyReport& report : {there, back}) {
      CHECK(report.ok());
      CHECK(report.memories == rows + 1);
      CHECK(report.links == rows);
      CHECK(report.written == 2 * rows + 1);
      CHECK(report.kept == 0);
      CHECK(report.removed == 0);
      CHECK_FALSE(report.resumed);
    }
    CHECK(there.digest == back.digest);
    CHECK(there.digest.size() == 64);
    CHECK(there.digest != digest);
    digest = there.digest;
    CHECK(there.sequence == from.in(space).stats().value().sequence);
    CHECK(exported(to.in(space)) == exported(from.in(space)));
    CHECK(to.in(space).search("tea w3").value().matched == from.in(space).search("tea w3").value().matched);
    CHECK(to.in(space).search(std::vector<float>{1, 2, 3}).value().matched == rows * 3 / 4);
  }
  CHECK(to.spaces().value().size() == 2);
  CHECK(to.verify().value().ok());
}

TEST_CASE("vectors keep their embedder, and the space its metric") {
  Options options = fresh_options();
  options.metric = Metric::dot;
  options.embedder = std::make_shared<Bag>("one", std::vector<std::string>{"tea", "lake", "boat"});
  const auto from = FractalMemory::open(options).value();
  from.store({.coordinate = {1}, .payload = R"({"text": "tea"})"}).value();
  from.store({.coordinate = {2}, .payload = R"({"text": "boat lake"})"}).value();
  from.store({.coordinate = {3}, .payload = R"({"text": "nothing"})"}).value();
  const auto to = in_memory({.embedder = options.embedder});
  CHECK(copy_space(from, to).value().ok());
  CHECK(to.stats().value().embedder == from.stats().value().embedder);
  CHECK(to.stats().value().vectors == 2);
  const std::vector<float> twice{2, 0, 0};
  CHECK(to.search(twice).value().hits.at(0).score == from.search(twice).value().hits.at(0).score);  // 2, not 1
  CHECK(coordinates(to.search("a boat", {.top_k = 1}).value().hits) == "2.0");

  const auto others = in_memory();
  others.store({.coordinate = {9}, .embedding = {1, 2, 3}}).value();
  const Error refused = error_of(copy_space(from, others));
  CHECK(refused.code == Errc::conflict);
  CHECK(mentions(refused, "another embedder, dimension or metric"));
  CHECK(others.stats().value().memories == 1);
}

TEST_CASE("a copy that was stopped goes on where it stood, and writes nothing twice") {
  const auto from = open_fresh();
  fill(from, 150);
  for (const std::uint64_t after : {1u, 100u, 150u, 151u, 299u}) {
    CAPTURE(after);
    const auto to = after % 2 == 0 ? in_memory() : open_fresh();
    const Error stopped = stopped_copy(from, to, after, 30);
    CHECK(stopped.code == Errc::unavailable);
    const std::uint64_t there = to.stats().value().sequence;
    CHECK(there >= after);
    CHECK(there < after + 30);
    const auto report = copy_space(from, to, {.batch = 70}).value();
    CHECK(report.ok());
    CHECK(report.resumed);
    CHECK(report.written == 300 - there);
    CHECK(to.stats().value().sequence == 300);
    CHECK(exported(to) == exported(from));
  }
}

TEST_CASE("what is written while the copy runs is in it, and what is removed is not") {
  const auto from = open_fresh();
  fill(from, 300);
  const auto to = open_fresh();
  std::size_t calls = 0;
  const auto report = disturbed_copy(from, to, 25, [&] {
    if (++calls > 20) return;
    const std::size_t i = calls;
    from.store({.coordinate = {0, -static_cast<double>(i)}, .payload = R"({"text": "before what is copied"})"}).value();
    from.store({.coordinate = {50, static_cast<double>(i)}, .payload = R"({"text": "behind it"})"}).value();
    from.update(numbered(i).coordinate, {.payload = R"({"n": "changed"})"}).value();
    from.remove(numbered(3 * i + 100).coordinate).value();  // with its link
    from.link({.from = {0, -static_cast<double>(i)}, .to = {1, 1}, .type = "late"}).value();
    from.unlink(numbered(i + 200).coordinate, {99, static_cast<double>(i + 200)}, numbered_link(i + 200).type).value();
    // Removed, and there again with a link.
    from.remove(numbered(i + 40).coordinate).value();
    from.store(numbered(i + 40)).value();
    from.link({.from = {7, 7}, .to = numbered(i + 40).coordinate}).value();
  });
  CHECK(calls > 20);
  CHECK(report.ok());
  CHECK(report.memories == 300 + 40 - 20);
  CHECK(report.sequence == from.stats().value().sequence);
  CHECK(exported(to) == exported(from));
  CHECK(to.verify().value().ok());
}

TEST_CASE("random writes to the source at random moments, stops at others") {
  fractal::testing::Random random(fractal::testing::announced_seed("copying"));
  for (int round = 0; round < 6; ++round) {
    const auto from = round % 2 == 0 ? in_memory() : open_fresh();
    const auto to = round % 3 == 0 ? open_fresh() : in_memory();
    fill(from, 60);
    const auto place = [&] { return numbered(random.below(90)).coordinate; };
    const auto write = [&] {
      for (std::size_t n = random.below(4); n > 0; --n) {
        switch (random.below(5)) {
          case 0: from.remove(place()).value(); break;
          case 1: from.link({.from = place(), .to = place()}).value(); break;
          case 2: from.unlink(place(), place()).value(); break;
          default: from.store(numbered(random.below(90))).value();
        }
      }
    };
    std::uint64_t stops = 0;
    for (bool whole = false; !whole;) {
      std::atomic<bool> stop{false};
      const Control control{.cancel = &stop, .progress = [&](std::uint64_t, std::uint64_t) {
                              write();
                              stop = stop || random.one_in(6);
                            }};
      const auto copied = copy_space(from, to, {.batch = 1 + random.below(20), .control = control});
      whole = copied.has_value();
      if (whole) CHECK(copied->ok());
      stops += whole ? 0 : 1;
      write();
    }
    const auto report = copy_space(from, to).value();
    CHECK(report.ok());
    CHECK(report.kept == 0);
    CHECK(report.resumed);
    CHECK(exported(to) == exported(from));
    MESSAGE("stopped " << stops << " times");
  }
}

TEST_CASE("copied again, only what changed is written, and what the source removed goes") {
  const auto from = open_fresh(), to = open_fresh();
  fill(from, 100);
  CHECK(copy_space(from, to).value().written == 200);
  const auto nothing = copy_space(from, to).value();
  CHECK(nothing.resumed);
  CHECK(nothing.written == 0);
  CHECK(nothing.memories == 100);
  CHECK(to.stats().value().sequence == 200);
  from.update({1, 1}, {.importance = 7}).value();
  from.remove({2, 2}).value();
  to.store({.coordinate = {1000}}).value();  // the target's own stays
  const auto report = copy_space(from, to).value();
  CHECK(report.ok());
  CHECK(report.written == 1);
  CHECK(report.removed == 2);  // the memory, and its link
  CHECK(report.kept == 1);
  CHECK(to.remove({1000}).value());
  CHECK(exported(to) == exported(from));

  // Another source, or the same made anew, begins at its beginning.
  const auto other = open_fresh();
  fill(other, 3);
  CHECK_FALSE(copy_space(other, to).value().resumed);
  from.erase_space().value();
  fill(from, 2);
  const auto anew = copy_space(from, to).value();
  CHECK_FALSE(anew.resumed);
  CHECK(anew.ok());
  CHECK(anew.kept == 2 * 98);
}

TEST_CASE("differences are named, and the copy after that mends them") {
  const auto from = open_fresh(), to = open_fresh();
  fill(from, 50);
  CHECK(copy_space(from, to).value().ok());
  to.update({1, 1}, {.payload = R"({"n": "tampered"})", .importance = 9}).value();
  to.remove({2, 2}).value();
  to.update({3, 3}, {.embedding = std::vector<float>{5, 5, 5}}).value();
  to.link({.from = {4, 4}, .to = {99, 4}, .type = numbered_link(4).type, .strength = 0.125}).value();
  const auto report = copy_space(from, to).value();
  CHECK_FALSE(report.ok());
  CHECK(report.different == 5);
  CHECK(report.memories == 47);
  CHECK(report.links == 48);
  REQUIRE(report.differences.size() == 5);
  CHECK(report.differences[0] == "memory 1.0,1.0: payload, importance, version, updated_at differ");
  CHECK(report.differences[1] == "memory 2.0,2.0 is not in the target");
  CHECK(report.differences[2] == "memory 3.0,3.0: embedding, version, updated_at differ");
  CHECK(report.differences[3].find("link 2.0,2.0 -") == 0);
  CHECK(report.differences[4].find("strength, metadata differ") != std::string::npos);
  const auto again = copy_space(from, to).value();
  CHECK_FALSE(again.resumed);
  CHECK(again.ok());
  CHECK(again.digest != report.digest);
  CHECK(exported(to) == exported(from));
}

TEST_CASE("what the target alone has stays, unless it is to be a mirror") {
  const auto from = open_fresh(), to = open_fresh();
  fill(from, 40);
  from.link({.from = {1, 1}, .to = {500}}).value();  // nothing is there
  to.store({.coordinate = {0, 0}, .payload = R"({"text": "at the same place"})"}).value();
  to.store({.coordinate = {500}}).value();
  to.link({.from = {500}, .to = {2, 2}}).value();
  to.link({.from = {3, 3}, .to = {4, 4}}).value();
  const auto report = copy_space(from, to, {.batch = 7}).value();
  CHECK(report.ok());
  CHECK(report.kept == 3);
  CHECK(to.retrieve({500}).has_value());
  CHECK(to.retrieve({0, 0}).value() == from.retrieve({0, 0}).value());
  const auto mirrored = copy_space(from, to, {.mirror = true, .batch = 7}).value();
  CHECK(mirrored.ok());
  CHECK(mirrored.kept == 0);
  CHECK(mirrored.removed == 2);  // one link went with its memory
  CHECK(mirrored.written == 1);  // and so did one that the source has
  CHECK(exported(to) == exported(from));
}

TEST_CASE("what has expired is not copied") {
  TestClock clock;
  const auto from = FractalMemory::open(clock.on(fresh_options())).value();
  const auto to = FractalMemory::open(clock.on(fresh_options())).value();
  fill(from, 20);
  from.store({.coordinate = {100}, .expires_at = clock.now() + std::chrono::seconds(1)}).value();
  from.link({.from = {100}, .to = {1, 1}}).value();
  from.update({1, 1}, {.expires_at = clock.now() + std::chrono::seconds(5)}).value();
  clock.advance(std::chrono::seconds(2));
  const auto first = copy_space(from, to).value();
  CHECK(first.ok());
  CHECK(first.memories == 20);
  CHECK(first.links == 20);
  clock.advance(std::chrono::seconds(5));
  const auto second = copy_space(from, to).value();  // it went on both sides
  CHECK(second.ok());
  CHECK(second.memories == 19);
  CHECK(second.kept == 0);
  CHECK(exported(to) == exported(from));

  // Expired after it was copied without an end, before the change was followed.
  from.update({2, 2}, {.expires_at = clock.now() + std::chrono::seconds(1)}).value();
  clock.advance(std::chrono::seconds(2));
  CHECK(copy_space(from, to).value().ok());
  CHECK(error_of(to.retrieve({2, 2})).code == Errc::not_found);
}

TEST_CASE("when the source has forgotten what it removed, the copy says so and begins anew") {
  Options options = fresh_options();
  options.change_history = 10;
  const auto from = FractalMemory::open(options).value();
  fill(from, 50);
  const auto to = in_memory();
  CHECK(copy_space(from, to).value().ok());
  from.remove({1, 1}).value();
  for (double i = 0; i < 600; ++i) from.store({.coordinate = {77}}).value();
  const Error forgotten = error_of(copy_space(from, to));
  CHECK(forgotten.code == Errc::conflict);
  CHECK(mentions(forgotten, "the next copy begins anew"));
  const auto anew = copy_space(from, to, {.mirror = true}).value();
  CHECK(anew.ok());
  CHECK_FALSE(anew.resumed);
  CHECK(exported(to) == exported(from));
}

TEST_CASE("what cannot be copied is refused") {
  const Options options = fresh_options();
  const auto from = FractalMemory::open(options).value();
  const auto to = in_memory();
  CHECK(error_of(copy_space(from, to)).code == Errc::not_found);
  CHECK(to.spaces().value().empty());
  fill(from, 3);
  CHECK(error_of(copy_space(from, from)).code == Errc::invalid_argument);
  if (durable_storage()) {
    const auto same = FractalMemory::open(options).value();
    CHECK(mentions(error_of(copy_space(from, same)), "into itself"));
    CHECK(from.stats().value().sequence == 6);
  }
  CHECK(error_of(copy_space(from, to, {.batch = 0})).code == Errc::invalid_argument);
  CHECK(error_of(copy_space(from, to, {.batch = 200'000})).code == Errc::invalid_argument);
  CHECK(error_of(copy_space(from, to.in({.tenant = ""}))).code == Errc::invalid_argument);
  const auto beside = from.in({.tenant = "other"});  // of the same database
  CHECK(copy_space(from, beside).value().ok());
  CHECK(exported(beside) == exported(from));
}

TEST_CASE("links whose ends are empty are copied under strict_links, too") {
  const auto from = open_fresh();
  from.link({.from = {1}, .to = {2}}).value();
  Options options = fresh_options();
  options.strict_links = true;
  const auto to = FractalMemory::open(options).value();
  CHECK(copy_space(from, to).value().links == 1);
}

TEST_CASE("after a purge no mark of a stopped copy names a coordinate") {
  const auto from = in_memory(), to = open_fresh();
  fill(from, 50);
  stopped_copy(from, to, 20, 10);
  to.maintain({.purge = true}).value();
  const auto report = copy_space(from, to).value();
  CHECK_FALSE(report.resumed);
  CHECK(report.ok());
}

TEST_CASE("large payloads come in short transactions") {
  const auto from = open_fresh(), to = in_memory();
  for (double i = 0; i < 4; ++i) {
    from.store({.coordinate = {i}, .payload = "{\"n\": \"" + std::string(3u << 20, 'x') + "\"}"}).value();
  }
  std::vector<std::uint64_t> steps;
  const Control control{.progress = [&](std::uint64_t done, std::uint64_t) { steps.push_back(done); }};
  CHECK(copy_space(from, to, {.control = control}).value().ok());
  REQUIRE(steps.size() >= 3);
  CHECK(steps[1] == 3);
  CHECK(steps[2] == 4);
}

TEST_CASE("whichever call of either storage fails, the same copy then ends well") {
  for (const bool at_source : {true, false}) {
    for (std::uint64_t n = 1;; ++n) {
      const auto storage = std::make_shared<fractal::testing::FaultStorage>(make_memory_storage());
      Options options{.embedder = nullptr};
      options.storage = storage;
      const auto faulty = FractalMemory::open(options).value();
      const auto other = in_memory();
      const auto &from = at_source ? faulty : other, &to = at_source ? other : faulty;
      fill(from, 6);
      to.store({.coordinate = {500}}).value();
      storage->fail_at(n);
      const auto copied = copy_space(from, to, {.mirror = true, .batch = 4});
      const bool failed = storage->failures() > 0;
      storage->fail_at(0);
      if (!failed) {
        CHECK(n > 20);
        CHECK(copied.value().ok());
        break;
      }
      CAPTURE(n);
      CHECK(error_of(copied).code == Errc::io);
      CHECK(copy_space(from, to, {.mirror = true, .batch = 5}).value().ok());
      CHECK(exported(to) == exported(from));
    }
  }
}
