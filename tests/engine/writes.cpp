// One memory or link at a time: what is written is what is read.
#include "engine.h"

using namespace engine;

TEST_CASE("a stored memory comes back as it was given, with what the library adds") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const Time first = clock.now();
  const Memory given{.coordinate = {1, -2.5, 1e300},
                     .payload = "{ \"text\" : \"caf\xC3\xA9 \\u00e9\",\n \"n\": 1.0, \"n\": 18446744073709551615 }",
                     .type = MemoryType::semantic,
                     .embedding = {0.25f, -1e-40f, 3e38f},
                     .importance = -0.125,
                     .metadata = R"({"source": {"kind": "chat"}})",
                     .expires_at = first + std::chrono::hours(1)};
  const Written written = memory.store(given).value();
  CHECK(written.created);
  CHECK_FALSE(written.removed);
  CHECK(written.version == 1);
  CHECK(written.sequence == 1);
  CHECK_FALSE(written.id.empty());

  Memory expected = given;
  expected.id = written.id;
  expected.created_at = expected.updated_at = first;
  expected.version = 1;
  CHECK(memory.retrieve(given.coordinate).value() == expected);
}

TEST_CASE("storing again replaces the whole memory but not its id and first time") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const auto first = memory
                         .store({.coordinate = {1},
                                 .payload = R"({"text": "old"})",
                                 .embedding = {1, 0},
                                 .importance = 5,
                                 .metadata = R"({"a": 1})"})
                         .value();
  const Time created = clock.now();
  clock.advance(std::chrono::seconds(3));
  const auto second = memory.store({.coordinate = {1}, .payload = R"({"text": "new"})"}).value();
  CHECK_FALSE(second.created);
  CHECK(second.id == first.id);
  CHECK(second.version == 2);
  const Memory now = memory.retrieve({1}).value();
  CHECK(now.payload == R"({"text": "new"})");
  CHECK(now.metadata == "{}");
  CHECK(now.importance == 0);
  CHECK(now.embedding.empty());
  CHECK(now.created_at == created);
  CHECK(now.updated_at == clock.now());
  CHECK(memory.search(std::vector<float>{1, 0}).value().matched == 0);
  CHECK(memory.search("old").value().matched == 0);
  CHECK(memory.search("new").value().matched == 1);
}

TEST_CASE("update changes what the patch names and nothing else") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const Memory before{.coordinate = {1, 2},
                      .payload = R"({ "text": "green tea", "n": 1.50, "deep": {"a": 1, "b": 2}, "gone": true })",
                      .type = MemoryType::semantic,
                      .embedding = {1, 2, 3},
                      .importance = 0.5,
                      .metadata = R"({"by":"Ada"})",
                      .expires_at = clock.now() + std::chrono::hours(9)};
  memory.store(before).value();
  const auto vector = std::vector<float>{1, 2, 3};
  const double score = memory.search(vector).value().hits.at(0).score;
  clock.advance(std::chrono::minutes(1));

  const auto written =
      memory.update({1, 2}, {.payload = R"({"deep": {"b": null, "c": [1, null]}, "gone": null, "more": "x"})"}).value();
  CHECK(written.version == 2);
  CHECK_FALSE(written.created);
  Memory now = memory.retrieve({1, 2}).value();
  const auto matching =
      memory
          .list({.filter = Filter::parse(
                               R"({"text": "green tea", "n": 1.5, "deep.a": 1, "deep.b": {"$exists": false},
          "deep.c": {"$contains": null}, "gone": {"$exists": false}, "more": "x"})")
                               .value()})
          .value();
  CHECK(matching.memories.size() == 1);
  CHECK(now.payload.find("1.50") != std::string::npos);  // untouched members keep their text
  CHECK(now.embedding == before.embedding);
  CHECK(now.type == before.type);
  CHECK(now.importance == before.importance);
  CHECK(now.metadata == before.metadata);
  CHECK(now.expires_at == before.expires_at);
  CHECK(now.updated_at == clock.now());
  CHECK(now.created_at == clock.now() - std::chrono::minutes(1));
  CHECK(memory.search(vector).value().hits.at(0).score == score);
  CHECK(memory.search("tea").value().matched == 1);

  memory.update({1, 2}, {.payload = R"({"text": "black coffee"})"}).value();
  CHECK(memory.search("tea").value().matched == 0);
  CHECK(memory.search("coffee").value().matched == 1);

  memory
      .update({1, 2}, {.metadata = R"({"by": null, "at": "noon"})",
                       .type = MemoryType::episodic,
                       .importance = 2.5,
                       .never_expires = true})
      .value();
  now = memory.retrieve({1, 2}).value();
  const auto filter = Filter::eq("$metadata.at", "noon") && !Filter::exists("$metadata.by");
  CHECK(memory.list({.filter = filter}).value().memories.size() == 1);
  CHECK(now.type == MemoryType::episodic);
  CHECK(now.importance == 2.5);
  CHECK_FALSE(now.expires_at.has_value());
  CHECK(now.embedding == before.embedding);

  memory.update({1, 2}, {.embedding = std::vector<float>{-1, 0, 0, 5}}).value();  // the only vector: any dimension
  CHECK(memory.retrieve({1, 2}).value().embedding == std::vector<float>{-1, 0, 0, 5});
  CHECK(memory.search(std::vector<float>{-1, 0, 0, 5}).value().hits.at(0).score == doctest::Approx(1));
  memory.update({1, 2}, {.embedding = std::vector<float>{}}).value();
  CHECK(memory.retrieve({1, 2}).value().embedding.empty());
  CHECK(memory.search(vector).value().matched == 0);
  CHECK(memory.stats().value().vectors == 0);
  CHECK(memory.stats().value().dimension == 0);

  CHECK(error_of(memory.update({7}, {.importance = 1})).code == Errc::not_found);
}

TEST_CASE("remove takes the links in both directions along") {
  const auto memory = open_fresh();
  for (double i = 1; i <= 3; ++i) memory.store({.coordinate = {i}, .embedding = {static_cast<float>(i), 1}}).value();
  memory.link({.from = {1}, .to = {2}}).value();
  memory.link({.from = {2}, .to = {3}, .type = "a"}).value();
  memory.link({.from = {2}, .to = {2}, .type = "self"}).value();
  memory.link({.from = {3}, .to = {1}}).value();
  CHECK(memory.remove({2}).value());
  CHECK_FALSE(memory.remove({2}).value());
  CHECK(error_of(memory.retrieve({2})).code == Errc::not_found);
  CHECK(mentions(memory.retrieve({2}).error(), "2.0"));
  CHECK(memory.stats().value().links == 1);
  CHECK(memory.stats().value().memories == 2);
  CHECK(memory.stats().value().vectors == 2);
  CHECK(memory.neighbors({1}).value().empty());
  CHECK(coordinates(memory.neighbors({3}).value()) == "1.0");
  CHECK(memory.search(std::vector<float>{2, 1}).value().matched == 2);

  // What comes to this place later is another memory, without those links.
  const auto again = memory.store({.coordinate = {2}}).value();
  CHECK(again.created);
  CHECK(again.version == 1);
  CHECK(memory.neighbors({2}, {.direction = Direction::both}).value().empty());
}

TEST_CASE("links: replaced by identity, unlinked by identity") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  const GraphLink link{
      .from = {1, 2, 3}, .to = {1, 2}, .type = "part_of", .strength = 0.8, .metadata = R"({"k": "v"})"};
  CHECK(memory.link(link).value().created);
  CHECK(memory.link({.from = {1, 2, 3}, .to = {1, 2}}).value().created);  // another type
  GraphLink expected = link;
  expected.created_at = clock.now();
  CHECK(memory.neighbors({1, 2, 3}, {.type = "part_of"}).value().at(0).link == expected);

  clock.advance(std::chrono::seconds(1));
  const auto again = memory.link({.from = {1, 2, 3}, .to = {1, 2}, .type = "part_of", .strength = -2}).value();
  CHECK_FALSE(again.created);
  expected.strength = -2;
  expected.metadata = "{}";
  CHECK(memory.neighbors({1, 2, 3}, {.type = "part_of"}).value().at(0).link == expected);
  CHECK(memory.stats().value().links == 2);

  CHECK(memory.unlink({1, 2, 3}, {1, 2}).value());
  CHECK_FALSE(memory.unlink({1, 2, 3}, {1, 2}).value());
  CHECK_FALSE(memory.unlink({1, 2}, {1, 2, 3}, "part_of").value());
  CHECK(memory.unlink({1, 2, 3}, {1, 2}, "part_of").value());
  CHECK(memory.stats().value().links == 0);
}

TEST_CASE("strict links refuse an end without a memory") {
  Options options = fresh_options();
  options.strict_links = true;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}}).value();
  for (const auto& link : {GraphLink{.from = {1}, .to = {2}}, GraphLink{.from = {2}, .to = {1}}}) {
    const Error error = error_of(memory.link(link));
    CHECK(error.code == Errc::not_found);
    CHECK(mentions(error, "2.0"));
  }
  CHECK(memory.stats().value().links == 0);
  Batch batch;
  batch.store({.coordinate = {2}}).link({.from = {1}, .to = {2}});
  CHECK(memory.apply(batch).value().written.at(1).created);
  CHECK(memory.link({.from = {1}, .to = {1}}).value().created);
}

TEST_CASE("versions: the write happens only on the state the caller saw") {
  const auto memory = open_fresh();
  CHECK(memory.store_if_absent({.coordinate = {1}, .payload = R"({"n": 1})"}).value().version == 1);
  CHECK(error_of(memory.store_if_absent({.coordinate = {1}, .payload = R"({"n": 2})"})).code == Errc::conflict);
  CHECK(memory.retrieve({1}).value().payload == R"({"n": 1})");

  CHECK(memory.store({.coordinate = {1}, .payload = R"({"n": 3})"}, {.if_version = 1}).value().version == 2);
  const std::string before = exported(memory);
  const Error stale = error_of(memory.store({.coordinate = {1}}, {.if_version = 1}));
  CHECK(stale.code == Errc::conflict);
  CHECK(mentions(stale, "version is 2, 1 was expected"));
  CHECK(error_of(memory.store({.coordinate = {9}}, {.if_version = 1})).code == Errc::conflict);
  CHECK(error_of(memory.update({1}, {.importance = 4}, {.if_version = 3})).code == Errc::conflict);
  CHECK(error_of(memory.remove({1}, {.if_version = 1})).code == Errc::conflict);
  CHECK(error_of(memory.remove({1}, {.if_version = 0})).code == Errc::conflict);
  CHECK(error_of(memory.remove({9}, {.if_version = 2})).code == Errc::conflict);
  CHECK(exported(memory) == before);

  CHECK(memory.update({1}, {.importance = 4}, {.if_version = 2}).value().version == 3);
  CHECK(memory.remove({1}, {.if_version = 3}).value());
  CHECK(memory.store({.coordinate = {1}}, {.if_version = 0}).value().version == 1);
  CHECK_FALSE(memory.remove({9}, {.if_version = 0}).value());
}

TEST_CASE("retrieve_many answers in the order asked for") {
  const auto memory = open_fresh();
  for (double i : {1.0, 2.0, 3.0}) memory.store({.coordinate = {i}, .embedding = {1, static_cast<float>(i)}}).value();
  const std::vector<Coordinate> asked{{3}, {9}, {1}, {3}};
  const auto found = memory.retrieve_many(asked).value();
  REQUIRE(found.size() == 4);
  CHECK(found[0] == memory.retrieve({3}).value());
  CHECK_FALSE(found[1].has_value());
  CHECK(found[2] == memory.retrieve({1}).value());
  CHECK(found[3] == found[0]);
  CHECK(memory.retrieve_many({}).value().empty());
}

TEST_CASE("the dimension of a space is that of its vectors, as long as there are any") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .embedding = {1, 2}}).value();
  memory.store({.coordinate = {1}, .embedding = {1, 2, 3}}).value();  // replaces the only one
  CHECK(memory.stats().value().dimension == 3);
  memory.store({.coordinate = {2}, .embedding = {3, 2, 1}}).value();
  const Error error = error_of(memory.store({.coordinate = {3}, .embedding = {1, 2}}));
  CHECK(error.code == Errc::invalid_argument);
  CHECK(mentions(error, "2 components, the space has 3"));
  CHECK(error_of(memory.update({2}, {.embedding = std::vector<float>{1}})).code == Errc::invalid_argument);
  CHECK(memory.search(std::vector<float>{3, 2, 1}).value().hits.at(0).memory.coordinate == Coordinate{2});
  memory.remove({1}).value();
  memory.remove({2}).value();
  memory.store({.coordinate = {3}, .embedding = {1, 2}}).value();
  CHECK(memory.stats().value().dimension == 2);
  CHECK(memory.search(std::vector<float>{1, 2}).value().matched == 1);
}

TEST_CASE("a database that is opened again has it all") {
  if (!durable_storage()) return;
  const Options options = fresh_options();
  std::string before;
  {
    const auto memory = FractalMemory::open(options).value();
    memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {1, 2}}).value();
    memory.link({.from = {1}, .to = {2}}).value();
    memory.in({.tenant = "other"}).store({.coordinate = {5}}).value();
    before = exported(memory);
  }
  const auto memory = FractalMemory::open(options).value();
  CHECK(exported(memory) == before);
  CHECK(memory.search("tea").value().matched == 1);
  CHECK(memory.search(std::vector<float>{1, 2}).value().matched == 1);
  CHECK(memory.in({.tenant = "other"}).retrieve({5}).has_value());
  CHECK(memory.verify().value().ok());
}
