// Expiry: from its instant on a memory is in no read, and the next write takes it and its links away.
#include "engine.h"

#include <sstream>

using namespace engine;

namespace {

constexpr auto lifetime = std::chrono::seconds(10);

// Memory 2 of 1, 2, 3 expires; links 1 -> 2 -> 3, 3 -> 1 and 2 -> 9.
struct Chain {
  TestClock clock;
  const FractalMemory memory = FractalMemory::open(clock.on(fresh_options())).value();

  Chain() {
    for (double i = 1; i <= 3; ++i) {
      Memory one{.coordinate = {i}, .payload = R"({"text": "tea"})", .embedding = {1, static_cast<float>(i)}};
      if (i == 2) one.expires_at = clock.now() + lifetime;
      memory.store(one).value();
    }
    constexpr std::pair<double, double> links[] = {{1, 2}, {2, 3}, {3, 1}, {2, 9}};
    for (const auto& [from, to] : links) { memory.link({.from = {from}, .to = {to}}).value(); }
  }
};

void check_there(const Reads& reads) {
  const std::vector<float> vector{1, 2};
  CHECK(reads.retrieve({2}).has_value());
  CHECK(reads.search("tea").value().matched == 3);
  CHECK(reads.search(vector).value().hits.at(0).memory.coordinate == Coordinate{2});
  CHECK(reads.list().value().memories.size() == 3);
  CHECK(coordinates(reads.neighbors({1}, {.hops = 2}).value()).starts_with("2.0"));
  CHECK(reads.path({1}, {3}).value().size() == 2);
  CHECK(exported(reads).find("[2.0]") != std::string::npos);
}

void check_gone(const Reads& reads) {
  const std::vector<float> vector{1, 2};
  CHECK(error_of(reads.retrieve({2})).code == Errc::not_found);
  const std::vector<Coordinate> asked{{1}, {2}};
  CHECK_FALSE(reads.retrieve_many(asked).value()[1].has_value());
  for (const auto mode : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    for (const auto fusion : {Fusion::convex, Fusion::rrf}) {
      for (const auto& filter : {Filter{}, Filter::eq("text", "tea"), Filter::ge("$importance", 0)}) {
        const auto result = reads
                                .search({.text = "tea", .vector = vector},
                                        {.filter = filter, .mode = mode, .fusion = fusion, .diversity = 0.5})
                                .value();
        CHECK(result.matched == 2);
        CHECK(result.hits.size() == 2);
        for (const Hit& hit : result.hits) CHECK_FALSE(hit.memory.coordinate == Coordinate{2});
      }
    }
  }
  for (const auto order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    CHECK(coordinates(reads.list({.order = order}).value().memories) == "1.0 3.0");
  }
  CHECK(coordinates(reads.list({.limit = 1}).value().memories) == "1.0");
  CHECK(reads.within({2}).value().memories.empty());
  CHECK(coordinates(reads.near({2}, {.limit = 2}).value()) == "1.0 3.0");
  CHECK(reads.neighbors({1}).value().empty());
  CHECK(reads.neighbors({2}, {.direction = Direction::both}).value().empty());
  CHECK(coordinates(reads.neighbors({3}, {.hops = 5, .direction = Direction::both}).value()) == "1.0");
  for (const bool weighted : {false, true}) {
    CHECK(error_of(reads.path({1}, {3}, {.weighted = weighted})).code == Errc::not_found);
    CHECK(error_of(reads.path({1}, {2}, {.weighted = weighted})).code == Errc::not_found);
    CHECK(error_of(reads.path({2}, {9}, {.weighted = weighted})).code == Errc::not_found);
  }
  CHECK(exported(reads).find("[2.0]") == std::string::npos);
  for (const auto format : {GraphFormat::json, GraphFormat::graphml, GraphFormat::dot}) {
    std::ostringstream out;
    reads.export_graph(out, format).value();
    CHECK(out.str().find("\"2.0\"") == std::string::npos);
    CHECK(out.str().find("\"9.0\"") == std::string::npos);  // only that link led there
    CHECK(out.str().find("\"3.0\"") != std::string::npos);
  }
  for (const Change& change : reads.changes(0).value()) {
    if (change.kind == ChangeKind::stored) CHECK_FALSE(change.coordinate == Coordinate{2});
    if (change.kind == ChangeKind::linked) CHECK(change.coordinate == Coordinate{3});
  }
}

}  // namespace

TEST_CASE("invisible from exactly that instant, to every read") {
  Chain chain;
  chain.clock.advance(lifetime - std::chrono::microseconds(1));
  check_there(chain.memory);
  chain.clock.advance(std::chrono::microseconds(1));
  check_gone(chain.memory);
  check_gone(chain.memory.snapshot().value());
  CHECK(chain.memory.stats().value().memories == 3);  // the row is still there: reads never write
}

TEST_CASE("the next write removes it with its links") {
  Chain chain;
  chain.clock.advance(lifetime);
  chain.memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {1, 1}}).value();
  check_gone(chain.memory);
  CHECK(chain.memory.stats().value().memories == 2);
  CHECK(chain.memory.stats().value().vectors == 2);
  CHECK(chain.memory.stats().value().links == 1);
  CHECK(chain.memory.verify().value().ok());
  bool told = false;
  for (const Change& change : chain.memory.changes(0).value()) {
    told = told || (change.kind == ChangeKind::removed && change.coordinate == Coordinate{2});
  }
  CHECK(told);
}

TEST_CASE("maintain removes it, in every space") {
  Chain chain;
  chain.memory.in({.tenant = "other"}).store({.coordinate = {5}, .expires_at = chain.clock.now() + lifetime}).value();
  CHECK(chain.memory.maintain().value().expired_removed == 0);
  chain.clock.advance(lifetime);
  CHECK(chain.memory.maintain().value().expired_removed == 2);
  CHECK(chain.memory.maintain().value().expired_removed == 0);
  CHECK(chain.memory.stats().value().memories == 2);
  CHECK(chain.memory.in({.tenant = "other"}).stats().value().memories == 0);
  check_gone(chain.memory);
  CHECK(chain.memory.verify().value().ok());
}

TEST_CASE("the state of a space is another one whenever an answer may be") {
  Chain chain;
  const SpaceState first = chain.memory.state().value();
  CHECK(first.sequence == chain.memory.stats().value().sequence);
  CHECK(chain.memory.state().value() == first);
  chain.clock.advance(lifetime);
  const SpaceState expired = chain.memory.state().value();
  CHECK_FALSE(expired == first);
  CHECK(chain.memory.snapshot().value().state().value() == expired);
  CHECK(chain.memory.in({.tenant = "nobody"}).state().value() == SpaceState{});
  chain.memory.maintain().value();
  CHECK_FALSE(chain.memory.state().value() == expired);

  // As many writes after an erasure make the same sequence, in another space.
  const FractalMemory anew = chain.memory.in({.tenant = "anew"});
  anew.store({.coordinate = {1}}).value();
  const SpaceState before = anew.state().value();
  anew.erase_space().value();
  anew.store({.coordinate = {2}}).value();
  CHECK(anew.state().value().sequence == before.sequence);
  CHECK_FALSE(anew.state().value() == before);
}

TEST_CASE("what is stored at its place is another memory") {
  Chain chain;
  const auto old = chain.memory.retrieve({2}).value();
  chain.clock.advance(lifetime);
  SUBCASE("store") { CHECK(chain.memory.store({.coordinate = {2}}).value().created); }
  SUBCASE("store if absent") { CHECK(chain.memory.store_if_absent({.coordinate = {2}}).value().created); }
  SUBCASE("restore") {
    Batch batch;
    batch.restore({.coordinate = {2}});
    CHECK(chain.memory.apply(batch).value().written.at(0).created);
  }
  const auto now = chain.memory.retrieve({2}).value();
  CHECK(now.version == 1);
  CHECK_FALSE(now.id == old.id);
  CHECK(now.created_at == chain.clock.now());
  CHECK(chain.memory.neighbors({2}, {.direction = Direction::both}).value().empty());
  CHECK(chain.memory.stats().value().links == 1);
}

TEST_CASE("an expired memory can be neither updated nor removed nor linked to as one") {
  Chain chain;
  chain.clock.advance(lifetime);
  CHECK(error_of(chain.memory.update({2}, {.importance = 1})).code == Errc::not_found);
  CHECK_FALSE(chain.memory.remove({2}).value());
  CHECK_FALSE(chain.memory.unlink({1}, {2}).value());
  CHECK(error_of(chain.memory.store({.coordinate = {2}}, {.if_version = 1})).code == Errc::conflict);
}

TEST_CASE("expiry can be moved and taken back until then") {
  Chain chain;
  chain.memory.update({2}, {.expires_at = chain.clock.now() + 2 * lifetime}).value();
  chain.clock.advance(lifetime);
  check_there(chain.memory);
  chain.memory.update({2}, {.never_expires = true}).value();
  chain.clock.advance(100 * lifetime);
  check_there(chain.memory);
  chain.memory.update({2}, {.expires_at = chain.clock.now()}).value();  // at once
  check_gone(chain.memory);
}

TEST_CASE("more expired memories than one write removes: none comes to light, links to their places hold") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  Batch batch;
  for (double i = 0; i < 2500; ++i) {
    batch.store({.coordinate = {1, i}, .payload = R"({"text": "tea"})", .expires_at = clock.now() + lifetime});
    batch.link({.from = {1, i}, .to = {2}});
  }
  memory.apply(batch).value();
  clock.advance(lifetime);
  CHECK(memory.list().value().memories.empty());
  CHECK(memory.search("tea").value().matched == 0);
  CHECK(memory.link({.from = {1, 2499}, .to = {3}}).value().created);
  CHECK(coordinates(memory.neighbors({1, 2499}).value()) == "3.0");
  CHECK_FALSE(memory.unlink({1, 2498}, {2}).value());
  for (int i = 0; i < 3; ++i) memory.store({.coordinate = {5}}).value();
  CHECK(coordinates(memory.list().value().memories) == "5.0");
  CHECK(memory.stats().value().memories == 1);
  CHECK(memory.stats().value().links == 1);
  CHECK(coordinates(memory.neighbors({1, 2499}).value()) == "3.0");
  CHECK(memory.verify().value().ok());
}

TEST_CASE("a snapshot keeps the time at which it was taken") {
  Chain chain;
  const auto snapshot = chain.memory.snapshot().value();
  chain.clock.advance(lifetime);
  check_gone(chain.memory);
  check_there(snapshot);
}
