// Spaces are closed worlds: rows, links, word statistics, vectors, sequence.
#include "engine.h"

#include <map>
#include <thread>

using namespace engine;

namespace {

// Words that no stemmer changes.
std::string words(std::mt19937_64& random, std::size_t n, std::size_t vocabulary) {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text += "w" + std::to_string(below(random, vocabulary)) + " ";
  return text;
}

Memory random_memory(std::mt19937_64& random, double places, std::size_t dimension) {
  return {.coordinate = {std::floor(static_cast<double>(below(random, static_cast<std::size_t>(places))))},
          .payload = R"({"text": ")" + words(random, 1 + below(random, 12), 30) + R"("})",
          .embedding = below(random, 4) == 0 ? std::vector<float>{} : random_vector(random, dimension)};
}

std::vector<SearchResult> every_search(const FractalMemory& memory, const std::vector<float>& vector) {
  std::vector<SearchResult> results;
  for (const auto mode : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    for (const auto fusion : {Fusion::convex, Fusion::rrf}) {
      results.push_back(
          memory.search(Query{.text = "w1 w2 w3 w4", .vector = vector}, {.top_k = 50, .mode = mode, .fusion = fusion})
              .value());
    }
  }
  return results;
}

void check_same(const std::vector<SearchResult>& now, const std::vector<SearchResult>& before) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(now[i].matched == before[i].matched);
    CHECK(now[i].sequence == before[i].sequence);
    REQUIRE(now[i].hits.size() == before[i].hits.size());
    for (std::size_t j = 0; j < before[i].hits.size(); ++j) {
      CHECK(now[i].hits[j].score == before[i].hits[j].score);  // to the last bit
      CHECK(now[i].hits[j].memory == before[i].hits[j].memory);
    }
  }
}

}  // namespace

TEST_CASE("what is written in one space does not exist in another") {
  const auto alice = open_fresh().in({.tenant = "alice", .name = "notes"});
  const auto other_name = alice.in({.tenant = "alice", .name = "diary"});
  const auto other_tenant = alice.in({.tenant = "bob", .name = "notes"});
  alice.store({.coordinate = {1}, .payload = R"({"text": "green tea"})", .embedding = {1, 2}}).value();
  alice.link({.from = {1}, .to = {2}}).value();
  for (const auto& other : {other_name, other_tenant}) {
    CHECK(error_of(other.retrieve({1})).code == Errc::not_found);
    CHECK(other.search("tea").value().hits.empty());
    CHECK(other.search(std::vector<float>{1, 2}).value().hits.empty());
    CHECK(other.list().value().memories.empty());
    CHECK(other.near({1}).value().empty());
    CHECK(other.neighbors({1}).value().empty());
    CHECK(error_of(other.path({1}, {2})).code == Errc::not_found);
    CHECK(other.changes(0).value().empty());
    CHECK(other.audit().value().empty());
    CHECK(other.stats().value().memories == 0);
    CHECK_FALSE(other.remove({1}).value());
    CHECK_FALSE(other.unlink({1}, {2}).value());
    CHECK(other.store({.coordinate = {1}, .embedding = {1, 2, 3}}).value().created);  // another dimension, too
  }
  CHECK(alice.retrieve({1}).value().embedding.size() == 2);
  CHECK(alice.stats().value().links == 1);
  CHECK(alice.space() == Space{.tenant = "alice", .name = "notes"});
}

TEST_CASE("random writes in one space leave hits and scores of another as they are, to the last bit") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const auto a = open_fresh().in({.tenant = "a"});
  const auto b = a.in({.tenant = "b"});
  for (int i = 0; i < 200; ++i) a.store(random_memory(random, 150, 16)).value();
  const auto question = random_vector(random, 16);
  const auto before = every_search(a, question);
  REQUIRE(before[0].hits.size() == 50);
  REQUIRE(before[2].hits.size() > 10);
  const std::string all = exported(a);

  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 25; ++i) {
      const Memory memory = random_memory(random, 150, 24);
      switch (below(random, 5)) {
        case 0: b.remove(memory.coordinate).value(); break;
        case 1: {
          const auto updated = b.update(memory.coordinate, {.payload = memory.payload});
          if (!updated) CHECK(updated.error().code == Errc::not_found);
          break;
        }
        case 2: b.link({.from = memory.coordinate, .to = {1}}).value(); break;
        default: b.store(memory).value();
      }
    }
    if (round == 10) b.erase_space().value();
    check_same(every_search(a, question), before);
  }
  CHECK(exported(a) == all);
}

TEST_CASE("spaces() lists those that were written to, and erase_space removes one wholly") {
  const auto memory = open_fresh();
  CHECK(memory.spaces().value().empty());
  const auto a = memory.in({.tenant = "a", .name = "x"}), b = memory.in({.tenant = "b", .name = "x"});
  CHECK(a.list().value().memories.empty());
  CHECK(memory.spaces().value().empty());  // reading makes none
  for (const auto& space : {a, b}) {
    Batch batch;
    for (double i = 0; i < 50; ++i) {
      batch.store({.coordinate = {i}, .payload = R"({"text": "tea"})", .embedding = {1, static_cast<float>(i)}});
      batch.link({.from = {i}, .to = {i + 1}});
    }
    space.apply(batch).value();
  }
  const auto listed = memory.spaces().value();
  REQUIRE(listed.size() == 2);
  CHECK(std::count(listed.begin(), listed.end(), a.space()) == 1);
  CHECK(std::count(listed.begin(), listed.end(), b.space()) == 1);

  const std::string kept = exported(b);
  CHECK(a.erase_space().value() == 50);
  CHECK(memory.spaces().value() == std::vector<Space>{b.space()});
  CHECK(a.search("tea").value().matched == 0);
  CHECK(a.search(std::vector<float>{1, 1}).value().matched == 0);
  CHECK(a.neighbors({1}).value().empty());
  CHECK(a.list().value().memories.empty());
  CHECK(a.audit().value().empty());
  CHECK(a.changes(0).value().empty());
  CHECK(a.stats().value().links == 0);
  CHECK(a.erase_space().value() == 0);
  CHECK(exported(b) == kept);
  CHECK(b.search("tea").value().matched == 50);

  // The space can be begun anew, with vectors of another dimension.
  a.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {1, 2, 3}}).value();
  CHECK(a.search(std::vector<float>{1, 2, 3}).value().hits.size() == 1);
  CHECK(a.search("tea").value().matched == 1);
  CHECK(memory.verify().value().ok());
  memory.maintain({.purge = true}).value();
  CHECK(exported(b) == kept);
}

TEST_CASE("many spaces of every kind of name") {
  const auto memory = open_fresh();
  const std::string longest(255, 'x');
  std::vector<Space> spaces;
  for (const std::string& tenant :
       {std::string("a"), std::string("a/b"), std::string("' or 1=1 --"), longest, std::string("\xE2\x98\x95")}) {
    for (const std::string& name : {std::string("b"), std::string("/b"), longest, std::string(" ")}) {
      spaces.push_back({tenant, name});
    }
  }
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    memory.in(spaces[i]).store({.coordinate = {static_cast<double>(i)}, .payload = R"({"text": "tea"})"}).value();
  }
  auto listed = memory.spaces().value();
  std::sort(listed.begin(), listed.end());
  std::sort(spaces.begin(), spaces.end());
  CHECK(listed == spaces);
  for (const Space& space : spaces) {
    CHECK(memory.in(space).stats().value().memories == 1);
    CHECK(memory.in(space).search("tea").value().matched == 1);
  }
}

TEST_CASE("of 16 writers one always conflicts, and its error is its own") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {0}, .payload = R"({"text": "there before"})"}).value();
  constexpr int writers = 16, writes = 40;
  std::array<int, writers> good{}, conflicts{}, others{};
  std::vector<std::thread> threads;
  for (int t = 0; t < writers; ++t) {
    threads.emplace_back([&, t] {
      const auto mine = t % 2 == 0 ? memory : memory.in({.tenant = "odd"});
      for (int i = 0; i < writes; ++i) {
        const auto place = static_cast<std::size_t>(t);
        const auto written = t == 3 ? memory.store_if_absent({.coordinate = {0}, .payload = R"({"text": "too late"})"})
                                    : mine.store({.coordinate = {static_cast<double>(t) + 1, static_cast<double>(i)},
                                                  .payload = R"({"text": "w1"})",
                                                  .embedding = {1, static_cast<float>(i)}});
        if (written)
          ++good[place];
        else
          ++(written.error().code == Errc::conflict ? conflicts : others)[place];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < writers; ++t) {
    CAPTURE(t);
    CHECK(good[t] == (t == 3 ? 0 : writes));
    CHECK(conflicts[t] == (t == 3 ? writes : 0));
    CHECK(others[t] == 0);
  }
  CHECK(memory.stats().value().memories == 1 + 8 * writes);
  CHECK(memory.stats().value().sequence == 1 + 8 * writes);
  CHECK(memory.in({.tenant = "odd"}).stats().value().memories == 7 * writes);
  CHECK(memory.search("w1").value().matched == 8 * writes);
  CHECK(memory.search("late").value().matched == 0);
  CHECK(memory.verify().value().ok());
}
