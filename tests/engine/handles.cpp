// Two databases open on one file: each has an index of its own, and sees what the other wrote.
#include "engine.h"

#include <map>
#include <thread>

using namespace engine;

namespace {

// The vectors of everything there is; the answers of both handles must be those of a loop over them.
using Model = std::map<Coordinate, std::vector<float>>;

void check_both(const FractalMemory& a, const FractalMemory& b, const Model& model, const std::vector<float>& query) {
  const auto first = a.search(query, {.top_k = 1000, .embeddings = true}).value();
  const auto second = b.search(query, {.top_k = 1000, .embeddings = true}).value();
  for (const auto* found : {&first, &second}) {
    CHECK(found->matched == model.size());
    REQUIRE(found->hits.size() == model.size());
    for (const Hit& hit : found->hits) {
      const auto known = model.find(hit.memory.coordinate);
      REQUIRE(known != model.end());
      CHECK(hit.memory.embedding == known->second);
    }
  }
  CHECK(coordinates(first.hits) == coordinates(second.hits));
  CHECK(first.sequence == second.sequence);
  CHECK(exported(a) == exported(b));
}

}  // namespace

TEST_CASE("two handles that open one file see each other's writes, also when removals are forgotten in between") {
  if (!durable_storage()) return;
  std::mt19937_64 random(testing::announced_seed("engine"));
  Options options = fresh_options();
  options.change_history = 100;
  const auto a = FractalMemory::open(options).value();
  const auto b = FractalMemory::open(options).value();
  Model model;
  for (int round = 0; round < 12; ++round) {
    // Now and then one handle looks away for longer than removals are remembered.
    const int writes = round % 4 == 3 ? 600 : 10;
    for (int i = 0; i < writes; ++i) {
      const auto& writer = round % 4 == 3 ? a : below(random, 2) == 0 ? a : b;
      const Coordinate at{static_cast<double>(below(random, 60))};
      if (below(random, 3) == 0) {
        CHECK(writer.remove(at).value() == (model.erase(at) == 1));
      } else {
        model[at] = random_vector(random, 5);
        writer.store({.coordinate = at, .payload = R"({"text": "tea"})", .embedding = model[at]}).value();
      }
    }
    check_both(a, b, model, random_vector(random, 5));
    CHECK(b.search("tea", {.top_k = 1000}).value().matched == model.size());
  }
  CHECK(a.verify().value().ok());
}

TEST_CASE("versions, spaces and indexes hold between handles") {
  if (!durable_storage()) return;
  const Options options = fresh_options();
  const auto a = FractalMemory::open(options).value();
  const auto b = FractalMemory::open(options).value();
  a.store({.coordinate = {1}}).value();
  CHECK(error_of(b.store_if_absent({.coordinate = {1}})).code == Errc::conflict);
  CHECK(b.update({1}, {.importance = 1}, {.if_version = 1}).value().version == 2);
  CHECK(error_of(a.remove({1}, {.if_version = 1})).code == Errc::conflict);
  CHECK(b.in({.tenant = "x"}).store({.coordinate = {1}}).value().created);
  CHECK(a.spaces().value().size() == 2);
  CHECK(a.in({.tenant = "x"}).erase_space().value() == 1);
  CHECK(b.in({.tenant = "x"}).list().value().memories.empty());
  a.create_index("n").value();
  b.store({.coordinate = {5}, .payload = R"({"n": 5})"}).value();
  CHECK(coordinates(a.list({.filter = Filter::eq("n", 5)}).value().memories) == "5.0");
  CHECK(b.stats().value().indexed_fields == std::vector<std::string>{"n"});
  CHECK(a.verify().value().ok());
}

TEST_CASE("counting up from many handles and threads loses nothing") {
  if (!durable_storage()) return;
  const Options options = fresh_options();
  const auto first = FractalMemory::open(options).value();
  first.store({.coordinate = {0}, .importance = 0}).value();
  constexpr int handles = 4, steps = 25;
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < handles; ++t) {
    threads.emplace_back([&] {
      const auto own = FractalMemory::open(options);
      for (int done = 0; done < steps && own;) {
        const auto now = own->retrieve({0});
        if (!now) break;
        const auto written = own->update({0}, {.importance = now->importance + 1}, {.if_version = now->version});
        if (!written && written.error().code != Errc::conflict) ++failed;
        if (written) ++done;
        if (failed > 0) break;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(first.retrieve({0}).value().importance == handles * steps);
  CHECK(first.retrieve({0}).value().version == 1 + handles * steps);
}

TEST_CASE("the metric of a space is that of its first vector, whatever a later handle asks for") {
  Options options = fresh_options();
  options.metric = Metric::l2;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .embedding = {3, 0}}).value();
  const std::vector<float> query{0, 4};
  CHECK(memory.search(query).value().hits.at(0).score == doctest::Approx(1.0 / 6));
  if (!durable_storage()) return;
  options.metric = Metric::cosine;
  const auto later = FractalMemory::open(options).value();
  later.store({.coordinate = {2}, .embedding = {0, 4}}).value();
  CHECK(later.search(query).value().hits.at(0).score == 1);
  CHECK(later.search(query).value().hits.at(1).score == doctest::Approx(1.0 / 6));
  later.remove({1}).value();
  later.remove({2}).value();
  later.store({.coordinate = {3}, .embedding = {3, 0}}).value();  // a space without vectors begins anew
  CHECK(later.search(query).value().hits.at(0).score == doctest::Approx(0));
  CHECK(memory.search(query).value().hits.at(0).score == doctest::Approx(0));
}
