// The index on Redis: a server that loses what it had or a part of it, that is full, told to be hasty or to throw keys out;
// what others left there, and what a name may be.
#include "tests/redis/index_server.h"
#include "tests/redis/own_redis.h"

#include <fractal/redis.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using namespace std::chrono_literals;
using testing::OwnRedis;
using vector_oracle::Model;
using vector_oracle::Vector;

namespace {

constexpr std::size_t dimension = 64;
constexpr std::size_t many = 1'200;  // more than are simply fetched: the FT index is asked

OwnRedis search_redis(std::vector<std::string> words = {}) {
  return OwnRedis(std::move(words), 0, FRACTAL_TOOLS "/redis_search_server");
}

// A model, and an index on a server of the test's own.
struct Setting {
  std::mt19937_64 random{testing::announced_seed("redis index")};
  OwnRedis redis;
  Model model{5, dimension, Metric::cosine};

  std::chrono::milliseconds grace;
  std::shared_ptr<RemoteVectorIndex> index;

  // A mark is read again after a quarter of the grace, and a search that takes longer is not trusted.
  explicit Setting(std::vector<std::string> words = {}, std::size_t vectors = many,
                   std::chrono::milliseconds how_long = 60s)
      : redis(std::move(words), 0, FRACTAL_TOOLS "/redis_search_server"), grace(how_long), index(another()) {
    add(vectors);
  }
  std::shared_ptr<RemoteVectorIndex> another() {
    return testing::redis_index({.url = redis.url(), .wait = true, .grace = grace}, "feed", testing::source_of(model));
  }
  std::shared_ptr<redis_backend::RedisStore> store() const { return testing::redis_store(redis.url(), "feed"); }
  VersionPlace place() const { return {.number = 5, .dimension = dimension, .metric = Metric::cosine}; }
  void add(std::size_t vectors) {
    for (std::size_t i = 0; i < vectors; ++i) model.add(vector_oracle::random_vector(random, dimension));
    REQUIRE(model.commit(*index).has_value());
  }

  // By whom; empty: it was unavailable. What is found is nearly always the nearest.
  std::string answer(VectorIndex& by, std::size_t k = 10) {
    const Vector asked = vector_oracle::random_vector(random, dimension);
    const VectorQuery query{.vector = asked, .k = k, .as_of = model.sequence()};
    const auto hits = by.search(model.record(), query);
    if (!hits) {
      CHECK(hits.error().code == Errc::unavailable);
      return {};
    }
    CHECK(vector_oracle::fault(model, query, *hits) == "");
    auto expected = model.expected(query);
    expected.resize(std::min(k, expected.size()));
    std::size_t best = 0;
    for (const auto& hit : hits->entries) {
      best += std::any_of(expected.begin(), expected.end(), [&](const auto& one) { return one.id == hit.id; }) ? 1 : 0;
    }
    CHECK(best * 10 >= expected.size() * 8);
    return hits->plan;
  }
  // Of memories that are named: never by the FT index. Of now, or of a moment of the past.
  bool answers_named(VectorIndex& by, std::uint64_t as_of = 0) {
    const auto ids = model.living();
    const Vector asked = vector_oracle::random_vector(random, dimension);
    VectorQuery query{.vector = asked, .k = 5, .as_of = as_of == 0 ? model.sequence() : as_of};
    query.allowed = std::make_shared<const std::vector<MemoryId>>(ids.end() - 60, ids.end());
    const auto hits = by.search(model.record(), query);
    if (hits) CHECK(vector_oracle::fault(model, query, *hits) == "");
    return hits.has_value();
  }
  // As soon as it can again.
  void recovers(VectorIndex& by) {
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < until) {
      const bool caught_up = by.catch_up(model.record(), model.pull()).has_value();
      if (caught_up && answer(by).starts_with("proposed")) break;
      std::this_thread::sleep_for(20ms);
    }
    CHECK(answer(by).starts_with("proposed"));
    CHECK(answers_named(by));
    CHECK(by.problems() == std::vector<std::string>{});
    const auto found = by.verify(model.record(), model.pull(), {});
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    CHECK(*found == std::vector<std::string>{});
  }
};

}  // namespace

TEST_CASE("emptied, it says so at once, by any way of asking, and is loaded again") {
  Setting setting;
  CHECK(setting.answer(*setting.index).starts_with("proposed"));
  CHECK(setting.answers_named(*setting.index));
  for (const bool named_first : {true, false}) {
    CHECK(setting.redis.ask({"FLUSHALL"}) == "OK");
    if (named_first) CHECK_FALSE(setting.answers_named(*setting.index));
    if (!named_first) CHECK(setting.answer(*setting.index) == "");
    setting.recovers(*setting.index);
  }
  // Another program loads it while this one still believes in what was there.
  const auto other = setting.another();
  CHECK(setting.redis.ask({"FLUSHALL"}) == "OK");
  setting.recovers(*other);
  CHECK_FALSE(setting.answers_named(*setting.index));
  setting.recovers(*setting.index);
}

TEST_CASE("an FT index that somebody drops is made again, and is not asked before it has all rows") {
  Setting setting;
  for (int i = 0; i < 3; ++i) {
    for (const std::size_t n : {1, 2, 3, 4}) {
      setting.redis.ask({"FT.DROPINDEX", fmt::format("fractal:feed:{}:COSINE:{}", dimension, n)});
    }
    const std::string plan = setting.answer(*setting.index);
    CHECK((plan.empty() || plan.starts_with("proposed")));
    setting.recovers(*setting.index);
  }
}

TEST_CASE("a server that comes back with its rows answers only once its FT index has all of them") {
  Setting setting({"--appendonly", "yes", "--appendfsync", "always"}, 4'000);
  for (int i = 0; i < 2; ++i) {
    setting.redis.kill();
    CHECK(setting.answer(*setting.index) == "");
    setting.redis.start();
    for (int search = 0; search < 50; ++search) {
      setting.answer(*setting.index);  // right, or none
      std::this_thread::sleep_for(5ms);
    }
    setting.recovers(*setting.index);
  }
}

TEST_CASE("a server that lost its last writes is found out, also when others have written since") {
  for (const bool others : {false, true}) {
    Setting setting;
    const auto other = setting.another();
    REQUIRE(setting.redis.ask({"SAVE"}) == "OK");
    setting.add(40);
    const std::uint64_t past = setting.model.sequence();
    const auto ids = setting.model.living();
    for (std::size_t i = ids.size() - 20; i < ids.size(); ++i) {
      setting.model.set(ids[i], vector_oracle::random_vector(setting.random, dimension));
    }
    setting.add(1);
    CHECK(setting.answers_named(*setting.index, past));
    CHECK(setting.answer(*setting.index).starts_with("proposed"));
    setting.redis.kill();
    setting.redis.start();
    if (others) {
      for (int i = 0; i < 3; ++i) {
        setting.model.add(vector_oracle::random_vector(setting.random, dimension));
        setting.model.skip();
        setting.recovers(*other);
      }
    }
    // The one that believes in what is lost: of that nothing is left, though others have brought the last state.
    CHECK_FALSE(setting.answers_named(*setting.index, past));
    setting.add(1);
    setting.answers_named(*setting.index, past);
    setting.recovers(*setting.index);
    setting.recovers(*other);
  }
}

TEST_CASE("a write does not count on a server that has not the one before") {
  Setting setting({}, 50);
  const auto store = setting.store();
  const VersionMark mark = store->mark(setting.place(), nullptr).value();
  const Vector vector(dimension, 1.0F);
  const Version version{.id = first_id(5) + 900, .born = 900, .vector = vector};
  CHECK(setting.redis.ask({"FLUSHALL"}) == "OK");
  CHECK(store->insert(setting.place(), mark.epoch, {&version, 1}, nullptr).error().code == Errc::not_found);
  CHECK(store->put_mark(setting.place(), mark, false).error().code == Errc::not_found);
  CHECK(store->put_cleaned(setting.place(), mark.epoch, 3).error().code == Errc::not_found);
  CHECK(setting.redis.ask({"KEYS", "*:v:*"}) == "");
  CHECK(store->mark(setting.place(), nullptr).value().epoch == 0);
}

TEST_CASE("rows of a write that broke off are not found, and what is cleaned never falls back") {
  Setting setting;
  const auto store = setting.store();
  const VersionMark mark = store->mark(setting.place(), nullptr).value();
  const redis_backend::EpochKeys keys({"fractal:feed", dimension, Metric::cosine}, 5, redis_backend::hex(mark.epoch));
  const std::string bytes(dimension * sizeof(float), 'A');
  for (std::uint64_t i = 1; i <= 30; ++i) {
    CHECK(setting.redis.ask({"HSET", keys.living_row(redis_backend::version_name(first_id(5) + 5'000 + i, i)), "epoch",
                             keys.tag(), "id", fmt::to_string(5'000 + i), "born", "1", "vector", bytes}) == "4");
  }
  const Vector asked(dimension, 12.0F);
  const VersionMoment moment{.epoch = mark.epoch, .as_of = mark.applied, .token = mark.token};
  const auto found = store->nearest(setting.place(), moment, {.vector = asked, .k = 60});
  REQUIRE(found.has_value());
  CHECK(found->size() >= 60);  // those that count, for all that
  CHECK(std::all_of(found->begin(), found->end(), [](const auto& one) { return one.id <= first_id(5) + many; }));
  setting.recovers(*setting.index);

  for (const std::uint64_t cleaned : {3, 11, 7}) {
    REQUIRE(store->put_cleaned(setting.place(), mark.epoch, cleaned).has_value());
  }
  CHECK(store->mark(setting.place(), nullptr).value().cleaned == 11);
}

// Tokens are kept for 8,192 writes.
TEST_CASE("however much comes in one go, what was there before stays known to all") {
  Setting setting({}, 300);
  const auto feeder = std::make_unique<RemoteIndex>(setting.store(), testing::source_of(setting.model),
                                                    RemoteSetting{.wait = true, .grace = 60s, .batch_rows = 1});
  REQUIRE(feeder->catch_up(setting.model.record(), setting.model.pull()).has_value());
  const VersionMark before = setting.store()->mark(setting.place(), nullptr).value();
  const std::vector<MemoryId> ids = setting.model.living();
  const Vector other(dimension, 1.0F);
  for (int i = 0; i < 9'000; ++i) setting.model.touch();
  const std::uint64_t first = setting.model.sequence() - 9'000;
  // It breaks off.
  const VectorIndex::Pull pull = [&](std::uint64_t, const VectorVisitor& visit) -> Result<void> {
    for (std::uint64_t i = 1; i <= 9'000; ++i) {
      if (!visit({.id = ids[i % ids.size()], .sequence = first + i, .vector = other})) break;
    }
    return Error{Errc::io, "the storage broke off"};
  };
  CHECK_FALSE(feeder->catch_up(setting.model.record(), pull).has_value());
  const VersionMark after = setting.store()->mark(setting.place(), nullptr).value();
  CHECK(after.epoch == before.epoch);
  CHECK(after.applied == before.applied);
  CHECK(after.vectors == before.vectors);
  CHECK(after.token != before.token);
}

TEST_CASE("a server that is told to be hasty gives whole answers") {
  Setting setting({}, 6'000);
  CHECK(setting.redis.ask({"FT.CONFIG", "SET", "ON_TIMEOUT", "RETURN"}) == "OK");
  CHECK(setting.redis.ask({"FT.CONFIG", "SET", "TIMEOUT", "1"}) == "OK");
  for (const std::size_t k : {10, 100, 1'000, 3'000}) CHECK(setting.answer(*setting.index, k).starts_with("proposed"));
  // A limit of the server's is no short answer either.
  CHECK(setting.redis.ask({"FT.CONFIG", "SET", "MAXSEARCHRESULTS", "20"}) == "OK");
  CHECK(setting.answer(*setting.index, 100) == "");
}

TEST_CASE("a server that throws out keys, or comes to do so, is unsupported") {
  Setting setting({}, many, 8s);
  for (const char* policy : {"allkeys-lru", "allkeys-lfu", "allkeys-random"}) {
    CHECK(setting.redis.ask({"CONFIG", "SET", "maxmemory-policy", policy}) == "OK");
    const auto opened = open_redis_index({.url = setting.redis.url()}, make_memory_storage());
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == Errc::unsupported);
    CHECK(opened.error().message.find(policy) != std::string::npos);
    CHECK(setting.store()->mark(setting.place(), nullptr).error().code == Errc::unsupported);
  }
  std::this_thread::sleep_for(2100ms);  // a mark is read again
  CHECK(setting.answer(*setting.index) == "");
  CHECK_FALSE(setting.index->problems().empty());
  CHECK(setting.redis.ask({"CONFIG", "SET", "maxmemory-policy", "volatile-lru"}) == "OK");
  setting.recovers(*setting.index);
}

TEST_CASE("a full server refuses, and goes on where it stood once there is room") {
  Setting setting;
  CHECK(setting.redis.ask({"CONFIG", "SET", "maxmemory", "1"}) == "OK");
  for (int i = 0; i < 20; ++i) setting.model.add(vector_oracle::random_vector(setting.random, dimension));
  const auto refused = setting.model.commit(*setting.index);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::unavailable);
  CHECK(refused.error().message.find("OOM") != std::string::npos);
  setting.answer(*setting.index);
  CHECK(setting.redis.ask({"CONFIG", "SET", "maxmemory", "0"}) == "OK");
  setting.recovers(*setting.index);
}

TEST_CASE("sequences and ids are exact as far as they go") {
  Setting setting({}, 50);
  const auto store = setting.store();
  const VersionPlace place{.number = (1u << 20) + 1, .dimension = dimension, .metric = Metric::l2};
  const std::uint64_t last = (1ULL << 53);
  const Vector vector(dimension, 1.0F);
  std::vector<Version> versions;
  for (std::uint64_t i = 0; i < 8; ++i) {
    versions.push_back({.id = last_id(place.number) - i, .born = last - i, .vector = vector});
  }
  const std::uint64_t epoch = ~std::uint64_t{0} - 1;
  const auto token = store->insert(place, epoch, versions, nullptr);
  REQUIRE(token.has_value());
  for (std::uint64_t i = 0; i < 8; ++i) {
    const VersionMoment moment{.epoch = epoch, .as_of = last - i, .token = *token};
    const MemoryId without = last_id(place.number) - 7;
    const auto all = store->nearest(place, moment, {.vector = vector, .k = 20});
    const auto except = store->nearest(place, moment, {.vector = vector, .k = 20, .except = {&without, 1}});
    const auto only = store->nearest(place, moment, {.vector = vector, .k = 20, .only = {&without, 1}});
    REQUIRE((all && except && only));
    CHECK(all->size() == 8 - i);
    CHECK(except->size() == 7 - i);
    REQUIRE(only->size() == 1);
    CHECK(only->front().id == without);
    CHECK(only->front().vector == vector);
  }
  versions = {{.id = first_id(place.number) + 1, .born = last + 1, .vector = vector}};
  CHECK(store->insert(place, epoch, versions, nullptr).error().code == Errc::unsupported);
}

TEST_CASE("no tenant's name makes another's vectors visible") {
  const OwnRedis redis = search_redis();
  const auto storage = make_memory_storage();
  Options options{.embedder = nullptr, .storage = storage};
  options.vector_index = open_redis_index({.url = redis.url(), .wait = true}, storage).value();
  const auto memory = FractalMemory::open(options).value();
  const std::string names[] = {"a",
                               "a\"",
                               "a'",
                               "a\\",
                               "{a}",
                               "a}|{b",
                               "a|b",
                               "@epoch:{*}",
                               "*",
                               "a\nb",
                               "a\r\nDEL x",
                               "\x01",
                               "%",
                               "-a",
                               "(a|b)=>[KNN 5 @vector $v]",
                               "\xE6\x9D\xB1\xE4\xBA\xAC",
                               std::string(255, '{')};
  const auto in = [&](const std::string& name, bool as_tenant) {
    return memory.in(as_tenant ? Space{.tenant = name, .name = "x"} : Space{.tenant = "x", .name = name});
  };
  double number = 0;
  for (const bool as_tenant : {true, false}) {
    for (const std::string& name : names) {
      const auto space = in(name, as_tenant);
      const auto stored =
          space.store({.coordinate = {++number}, .payload = "{}", .embedding = {1, static_cast<float>(number)}});
      REQUIRE_MESSAGE(stored.has_value(), stored.error().message);
    }
  }
  number = 0;
  const std::vector<float> vector{1, 1};
  for (const bool as_tenant : {true, false}) {
    for (const std::string& name : names) {
      const auto found = in(name, as_tenant).search(vector, {.top_k = 20}).value();
      REQUIRE(found.hits.size() == 1);
      CHECK(found.hits[0].memory.coordinate == Coordinate{++number});
      CHECK(found.plan.find("rows") == std::string::npos);
    }
  }
  CHECK(memory.health().value().problems == std::vector<std::string>{});
  for (const bool as_tenant : {true, false}) {
    for (const std::string& name : names) REQUIRE(in(name, as_tenant).erase_space().has_value());
  }
  CHECK(redis.ask({"KEYS", "*{*"}) == "");
}
