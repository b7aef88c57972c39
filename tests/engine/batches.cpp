// Batches: all of it or nothing, in order, with the entry named.
#include "engine.h"

using namespace engine;

TEST_CASE("a batch runs in order and tells of each entry") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {9}}).value();
  Batch batch;
  batch.store({.coordinate = {1}, .payload = R"({"n": 1})"})
      .update({1}, {.payload = R"({"n": 2})"})
      .link({.from = {1}, .to = {9}})
      .link({.from = {9}, .to = {1}})
      .unlink({9}, {1})
      .unlink({9}, {1})
      .remove({9})
      .remove({9})
      .store({.coordinate = {1}, .payload = R"({"n": 3})"}, {.if_version = 2});
  const Applied applied = memory.apply(batch).value();
  REQUIRE(applied.written.size() == 9);
  const auto& written = applied.written;
  CHECK(written[0].created);
  CHECK(written[1].version == 2);
  CHECK(written[1].id == written[0].id);
  CHECK(written[2].created);
  CHECK(written[4].removed);
  CHECK_FALSE(written[5].removed);
  CHECK(written[5].sequence == 0);
  CHECK(written[6].removed);
  CHECK(written[6].version == 0);
  CHECK_FALSE(written[7].removed);
  CHECK(written[8].version == 3);
  CHECK(applied.sequence == written[8].sequence);
  CHECK(memory.stats().value().sequence == applied.sequence);
  for (std::size_t i : {1u, 2u, 3u, 4u}) CHECK(written[i].sequence > written[i - 1].sequence);
  CHECK(memory.retrieve({1}).value().payload == R"({"n": 3})");
  CHECK(memory.stats().value().links == 0);  // that to 9 went with it
  CHECK(memory.stats().value().memories == 1);
}

TEST_CASE("a batch that fails at any entry leaves nothing behind") {
  Options options = fresh_options();
  options.strict_links = true;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "first"})", .embedding = {1, 0}}).value();
  memory.store({.coordinate = {2}, .payload = R"({"text": "second"})", .embedding = {0, 1}}).value();
  memory.link({.from = {1}, .to = {2}}).value();
  const std::string before = exported(memory);
  const auto sequence = memory.stats().value().sequence;
  const auto changes = memory.changes(0).value().size();
  const auto records = memory.audit().value().size();

  struct Bad {
    Batch::Entry entry;
    Errc code;
  };
  const Bad failures[] = {
      {Batch::Store{{.coordinate = {1}}, {.if_version = 7}}, Errc::conflict},
      {Batch::Store{{.coordinate = {3}, .embedding = {1, 2, 3}}, {}}, Errc::invalid_argument},
      {Batch::Store{{.coordinate = {3}, .payload = "[]"}, {}}, Errc::invalid_argument},
      {Batch::Update{{8}, {}, {}}, Errc::not_found},
      {Batch::Update{{1}, {.embedding = std::vector<float>{1}}, {}}, Errc::invalid_argument},
      {Batch::Remove{{2}, {.if_version = 9}}, Errc::conflict},
      {Batch::Link{{.from = {1}, .to = {8}}}, Errc::not_found},
      {Batch::RestoreLink{{.from = {8}, .to = {1}}}, Errc::not_found},
  };
  for (const Bad& bad : failures) {
    for (std::size_t place : {0u, 3u, 6u}) {
      Batch batch;
      const auto add_others = [&](std::size_t n, double at) {
        for (std::size_t i = 0; i < n; i += 3) {
          batch.store(
              {.coordinate = {at, static_cast<double>(i)}, .payload = R"({"text": "third"})", .embedding = {1, 1}});
          batch.update({1}, {.payload = R"({"text": "changed"})", .embedding = std::vector<float>{2, 2}});
          batch.link({.from = {2}, .to = {1}, .type = "back"});
        }
      };
      add_others(place, 50);
      std::visit(
          [&batch](const auto& entry) {
            using E = std::decay_t<decltype(entry)>;
            if constexpr (std::is_same_v<E, Batch::Store>) batch.store(entry.memory, entry.options);
            if constexpr (std::is_same_v<E, Batch::Update>) batch.update(entry.coordinate, entry.patch, entry.options);
            if constexpr (std::is_same_v<E, Batch::Remove>) batch.remove(entry.coordinate, entry.options);
            if constexpr (std::is_same_v<E, Batch::Link>) batch.link(entry.link);
            if constexpr (std::is_same_v<E, Batch::RestoreLink>) batch.restore_link(entry.link);
          },
          bad.entry);
      add_others(6 - place, 60);
      const Error error = error_of(memory.apply(batch));
      CHECK(error.code == bad.code);
      CHECK(mentions(error, "entry " + std::to_string(place)));
      CHECK(exported(memory) == before);
    }
  }
  CHECK(memory.stats().value().sequence == sequence);
  CHECK(memory.changes(0).value().size() == changes);
  CHECK(memory.audit().value().size() == records);
  CHECK(memory.search("changed").value().matched == 0);
  CHECK(memory.search("third").value().matched == 0);
  CHECK(memory.search(std::vector<float>{1, 1}).value().matched == 2);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("a failed batch does not make a space, nor fix its dimension") {
  const auto memory = open_fresh().in({.tenant = "new"});
  Batch batch;
  batch.store({.coordinate = {1}, .embedding = {1, 2}}).update({2}, {});
  CHECK(error_of(memory.apply(batch)).code == Errc::not_found);
  CHECK(memory.spaces().value().empty());
  memory.store({.coordinate = {1}, .embedding = {1, 2, 3}}).value();
  CHECK(memory.stats().value().dimension == 3);
}

TEST_CASE("an empty batch does nothing") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}}).value();
  const Applied applied = memory.apply({}).value();
  CHECK(applied.sequence == 1);
  CHECK(applied.written.empty());
}

TEST_CASE("restore keeps id, times, version and accesses") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const Memory old{.coordinate = {4, 4},
                   .payload = R"({"text": "from a copy"})",
                   .embedding = {3, 4},
                   .id = Uuid::parse("018f3a2b-0000-7000-8000-00000000003a").value(),
                   .created_at = Time(std::chrono::seconds(1'000'000)),
                   .updated_at = Time(std::chrono::seconds(2'000'000)),
                   .version = 17,
                   .accesses = 5};
  Batch batch;
  batch.restore(old).restore_link({.from = {4, 4}, .to = {1}, .created_at = Time(std::chrono::seconds(3))});
  memory.apply(batch).value();
  CHECK(memory.retrieve({4, 4}).value() == old);
  CHECK(memory.neighbors({4, 4}).value().at(0).link.created_at == Time(std::chrono::seconds(3)));
  const std::string once = exported(memory);
  memory.apply(batch).value();
  CHECK(exported(memory) == once);
  CHECK(memory.update({4, 4}, {.importance = 1}).value().version == 18);

  Batch bare;  // what is not given is made
  bare.restore({.coordinate = {5}}).restore_link({.from = {5}, .to = {6}});
  memory.apply(bare).value();
  const Memory made = memory.retrieve({5}).value();
  CHECK(made.version == 1);
  CHECK_FALSE(made.id.empty());
  CHECK(made.created_at == clock.now());
  CHECK(memory.neighbors({5}).value().at(0).link.created_at == clock.now());
}

TEST_CASE("a batch of many entries is one change of state") {
  const auto memory = open_fresh();
  Batch batch;
  for (double i = 0; i < 3000; ++i) {
    batch.store({.coordinate = {7, i}, .payload = R"({"text": "w1"})", .embedding = {1, static_cast<float>(i)}});
    if (i > 0) batch.link({.from = {7, i - 1}, .to = {7, i}});
  }
  const Applied applied = memory.apply(batch).value();
  CHECK(applied.sequence == 5999);
  const Stats stats = memory.stats().value();
  CHECK(stats.memories == 3000);
  CHECK(stats.vectors == 3000);
  CHECK(stats.links == 2999);
  CHECK(memory.search("w1", {.top_k = 5}).value().matched == 3000);
  CHECK(memory.verify().value().ok());
}
