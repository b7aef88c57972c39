// Text that gets its vector from the space's embedder: stored, changed, searched, exported, and moved to another.
#include "bag_embedder.h"
#include "engine.h"

#include <cmath>
#include <sstream>
#include <utility>

using namespace engine;

namespace {

FractalMemory open_with(std::shared_ptr<Embedder> embedder) {
  Options options = fresh_options();
  options.embedder = std::move(embedder);
  return FractalMemory::open(std::move(options)).value();
}

std::vector<float> vector_of(const FractalMemory& memory, const Coordinate& coordinate) {
  return memory.retrieve(coordinate).value().embedding;
}

void near(const std::vector<float>& vector, std::vector<float> expected) {
  REQUIRE(vector.size() == expected.size());
  for (std::size_t i = 0; i < vector.size(); ++i) CHECK(vector[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

const float half = static_cast<float>(std::sqrt(0.5));

}  // namespace

TEST_CASE("embedding: texts get vectors of length 1, and a question finds them by meaning and words") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  memory.store({.coordinate = {1}, .payload = text("a cup of tea")}).value();
  memory.store({.coordinate = {2}, .payload = text("coffee")}).value();
  memory.store({.coordinate = {3}, .payload = text("nothing that it knows")}).value();
  memory.store({.coordinate = {4}}).value();
  near(vector_of(memory, {1}), {half, 0, half, 0});
  near(vector_of(memory, {2}), {0, 1, 0, 0});
  CHECK(vector_of(memory, {3}).empty());
  CHECK(vector_of(memory, {4}).empty());
  const Stats stats = memory.stats().value();
  CHECK(stats.vectors == 2);
  CHECK(stats.dimension == 4);
  CHECK(stats.embedder == "drinks 4 00ff");

  const auto found = memory.search("tea", {.explain = true}).value();
  CHECK(found.mode == SearchMode::hybrid);
  REQUIRE(found.hits.size() == 2);
  CHECK(coordinates(found.hits) == "1.0 2.0");
  REQUIRE(found.hits[0].explain.size() == 2);
  CHECK(found.hits[0].explain[0].contribution + found.hits[0].explain[1].contribution == found.hits[0].score);
  const double cosine = found.hits[0].explain[0].value;
  CHECK(cosine == doctest::Approx(half));
  CHECK(found.hits[0].explain[0].contribution > 0);
  const auto by_vector = memory.search("tea", {.mode = SearchMode::vector}).value();
  CHECK(by_vector.mode == SearchMode::vector);
  CHECK(by_vector.hits[0].score == cosine);
  CHECK(memory.search("tea", {.mode = SearchMode::keyword}).value().hits.size() == 1);
}

TEST_CASE("embedding: a question without a known word, and a space without vectors, are answered by words") {
  const auto memory = open_with(drink_bag());
  memory.store({.coordinate = {1}, .payload = text("plain nothing")}).value();
  auto found = memory.search("nothing of tea").value();
  CHECK(found.mode == SearchMode::keyword);
  CHECK(coordinates(found.hits) == "1.0");
  CHECK(found.plan.find("no vectors") != std::string::npos);
  memory.store({.coordinate = {2}, .payload = text("tea")}).value();
  found = memory.search("nothing").value();
  CHECK(found.mode == SearchMode::keyword);
  CHECK(coordinates(found.hits) == "1.0");
  CHECK(found.plan.find("knows no word") != std::string::npos);
  found = memory.search("nothing", {.mode = SearchMode::vector}).value();
  CHECK(found.hits.empty());
  CHECK(found.matched == 0);
}

TEST_CASE("embedding: a space whose first vector is the caller's is the caller's") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  memory.store({.coordinate = {1}, .payload = text("tea"), .embedding = {1, 2, 3}}).value();
  memory.store({.coordinate = {2}, .payload = text("tea")}).value();
  CHECK(bag->embedded == 0);
  CHECK(vector_of(memory, {2}).empty());
  CHECK(memory.stats().value().embedder.empty());
  const auto found = memory.search("tea").value();
  CHECK(found.mode == SearchMode::keyword);
  CHECK(found.hits.size() == 2);
  CHECK(found.plan.find("not embedded") != std::string::npos);
  const auto refused = error_of(memory.search("tea", {.mode = SearchMode::hybrid}));
  CHECK(refused.code == Errc::invalid_argument);
  memory.update({1}, {.payload = R"({"text": "coffee"})"}).value();
  CHECK(vector_of(memory, {1}) == std::vector<float>{1, 2, 3});
  // Once the caller's vectors are gone, the next one decides again.
  memory.remove({1}).value();
  memory.store({.coordinate = {3}, .payload = text("tea")}).value();
  CHECK(memory.stats().value().embedder == "drinks 4 00ff");
}

TEST_CASE("embedding: the caller's vectors may stand beside the embedder's if their size fits") {
  const auto memory = open_with(drink_bag());
  memory.store({.coordinate = {1}, .payload = text("tea")}).value();
  memory.store({.coordinate = {2}, .payload = text("tea"), .embedding = {0, 0, 0, 1}}).value();
  CHECK(vector_of(memory, {2}) == std::vector<float>{0, 0, 0, 1});
  const auto refused = error_of(memory.store({.coordinate = {3}, .embedding = {1, 2}}));
  CHECK(refused.code == Errc::invalid_argument);
  CHECK(mentions(refused, "drinks"));
  CHECK(memory.stats().value().embedder == "drinks 4 00ff");
}

TEST_CASE("embedding: an update makes the vector anew when the text changed, and only then") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  memory.store({.coordinate = {1}, .payload = text("tea")}).value();
  memory.store({.coordinate = {2}, .payload = text("tea")}).value();
  const std::size_t before = bag->embedded;
  memory.update({1}, {.payload = R"({"year": 2026})"}).value();
  memory.update({1}, {.importance = 3.0}).value();
  near(vector_of(memory, {1}), {1, 0, 0, 0});
  memory.update({1}, {.payload = text("coffee")}).value();
  near(vector_of(memory, {1}), {0, 1, 0, 0});
  CHECK(coordinates(memory.search("coffee", {.top_k = 1, .mode = SearchMode::vector}).value().hits) == "1.0");
  memory.update({1}, {.payload = text("kettle"), .embedding = std::vector<float>{1, 1, 1, 1}}).value();
  CHECK(vector_of(memory, {1}) == std::vector<float>{1, 1, 1, 1});
  memory.update({1}, {.payload = text("unknown")}).value();
  CHECK(vector_of(memory, {1}).empty());
  CHECK(memory.stats().value().vectors == 1);
  CHECK(bag->embedded == before + 3);
  CHECK(memory.verify().value().ok());
}

TEST_CASE("embedding: an update that another writer overtakes is embedded again") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea", "title": "x"})"}).value();
  int overtaken = 0;
  bag->before = [&] {
    if (++overtaken > 2) return;
    const auto before = std::exchange(bag->before, nullptr);
    memory.update({1}, {.payload = R"({"title": ")" + std::string(overtaken == 1 ? "cup" : "kettle") + "\"}"}).value();
    bag->before = before;
  };
  memory.update({1}, {.payload = text("coffee")}).value();
  CHECK(overtaken >= 3);
  CHECK(memory.retrieve({1})->payload.find("kettle") != std::string::npos);
  near(vector_of(memory, {1}), {0, half, 0, half});
}

TEST_CASE("embedding: a memory's vector is the weighted sum of its fields' vectors") {
  Options options = fresh_options();
  options.embedder = drink_bag();
  options.text_fields = {{"text", 1}, {"context", 0.5}};
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea", "context": "coffee", "other": "kettle"})"}).value();
  const float length = std::sqrt(1.25f);
  near(vector_of(memory, {1}), {1 / length, 0.5f / length, 0, 0});
  memory.store({.coordinate = {2}, .payload = R"({"a": {"b": ["tea", 7]}, "c": "coffee"})"}).value();
  near(vector_of(memory, {2}), {half, half, 0, 0});
  // Parts that cancel out leave no direction.
  const auto signs = make_embedder({.name = "signs", .dimension = 1}, [](auto texts, const Control&) {
    std::vector<std::vector<float>> vectors;
    for (const std::string_view each : texts) vectors.push_back({each == "up" ? 1.0f : -1.0f});
    return Result<std::vector<std::vector<float>>>(std::move(vectors));
  });
  options = fresh_options();
  options.embedder = signs.value();
  options.text_fields = {{"text", 1}, {"context", 1}};
  const auto other = FractalMemory::open(options).value();
  other.store({.coordinate = {1}, .payload = R"({"text": "up", "context": "down"})"}).value();
  CHECK(vector_of(other, {1}).empty());
}

TEST_CASE("embedding: nothing is written when the embedder fails or answers wrongly") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  bag->fail = true;
  CHECK(error_of(memory.store({.coordinate = {1}, .payload = text("tea")})).code == Errc::unavailable);
  CHECK(memory.stats().value().memories == 0);
  memory.store({.coordinate = {1}, .payload = text("tea"), .embedding = {1, 0, 0, 0}}).value();
  memory.store({.coordinate = {2}}).value();
  using Vectors = std::vector<std::vector<float>>;
  for (const Vectors& wrong :
       {Vectors{}, Vectors{{1, 2}}, Vectors{{0, 0, 0}}, Vectors{{1, NAN, 1}}, Vectors{{1, 2, 3}, {}}}) {
    const auto liar =
        make_embedder({.name = "liar", .dimension = 3}, [&](auto, const Control&) { return Result<Vectors>(wrong); });
    const auto lied_to = open_with(liar.value());
    const auto error = error_of(lied_to.store({.coordinate = {1}, .payload = text("tea")}));
    CHECK(error.code == Errc::corruption);
    CHECK(mentions(error, "liar"));
    CHECK(lied_to.stats().value().memories == 0);
  }
}

TEST_CASE("embedding: batches are embedded at once, equal texts once") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  Batch batch;
  for (int i = 0; i < 1000; ++i) {
    batch.store({.coordinate = {static_cast<double>(i)}, .payload = text(i % 2 == 0 ? "tea" : "coffee")});
  }
  batch.update({0}, {.payload = text("kettle")});
  memory.apply(batch).value();
  CHECK(memory.stats().value().vectors == 1000);
  near(vector_of(memory, {0}), {0, 0, 0, 1});
  near(vector_of(memory, {7}), {0, 1, 0, 0});
}

TEST_CASE("embedding: another embedder is refused for texts alone") {
  if (!durable_storage()) return;
  Options options = fresh_options();
  options.embedder = drink_bag();
  {
    const auto memory = FractalMemory::open(options).value();
    memory.store({.coordinate = {1}, .payload = text("tea")}).value();
    memory.store({.coordinate = {2}, .payload = text("coffee")}).value();
  }
  options.embedder = place_bag();
  const auto memory = FractalMemory::open(options).value();
  const auto refused = error_of(memory.store({.coordinate = {3}, .payload = text("tea")}));
  CHECK(refused.code == Errc::unsupported);
  CHECK(mentions(refused, "drinks"));
  CHECK(mentions(refused, "reembed"));
  CHECK(error_of(memory.update({1}, {.payload = text("cup")})).code == Errc::unsupported);
  CHECK(error_of(memory.search("tea")).code == Errc::unsupported);
  CHECK(memory.search("tea", {.mode = SearchMode::keyword}).value().hits.size() == 1);
  CHECK(memory.search(std::vector<float>{1, 0, 0, 0}).value().hits.size() == 2);
  CHECK(memory.search({.text = "tea", .vector = std::vector<float>{1, 0, 0, 0}}).value().hits.size() == 2);
  memory.store({.coordinate = {3}, .payload = text("cup"), .embedding = {0, 0, 1, 0}}).value();
  memory.store({.coordinate = {4}}).value();
  memory.update({1}, {.payload = R"({"n": 1})"}).value();
  memory.link({.from = {1}, .to = {2}}).value();
  CHECK(memory.in({.tenant = "new"}).store({.coordinate = {1}, .payload = text("Lyon")}).has_value());
}

TEST_CASE("embedding: without an embedder a changed text loses its vector") {
  if (!durable_storage()) return;
  Options options = fresh_options();
  options.embedder = drink_bag();
  FractalMemory::open(options).value().store({.coordinate = {1}, .payload = text("tea")}).value();
  options.embedder = nullptr;
  const auto memory = FractalMemory::open(options).value();
  memory.update({1}, {.payload = R"({"n": 1})"}).value();
  CHECK(vector_of(memory, {1}).size() == 4);
  memory.update({1}, {.payload = text("coffee")}).value();
  CHECK(vector_of(memory, {1}).empty());
  CHECK(memory.search("coffee").value().hits.size() == 1);
}

TEST_CASE("embedding: export and import keep vectors and embedder; without vectors they are made anew") {
  const auto bag = drink_bag();
  const auto memory = open_with(bag);
  memory.store({.coordinate = {1}, .payload = text("tea")}).value();
  memory.store({.coordinate = {2}, .payload = text("unknown")}).value();
  const std::string lines = exported(memory);
  const std::size_t before = bag->embedded;
  const auto import_into = [](const FractalMemory& target, const std::string& from) {
    std::istringstream in(from);
    return target.import_memories(in);
  };
  const auto copy = open_with(bag);
  import_into(copy, lines).value();
  CHECK(bag->embedded == before);
  CHECK(exported(copy) == lines);
  CHECK(copy.stats().value().embedder == "drinks 4 00ff");

  const auto other = open_with(place_bag());
  other.store({.coordinate = {9}, .payload = text("Lyon")}).value();
  CHECK_FALSE(import_into(other, lines).has_value());

  std::ostringstream bare;
  memory.export_memories(bare, {.embeddings = false}).value();
  import_into(other, bare.str()).value();
  near(vector_of(other, {1}), {0, 0, 1, 0, 0});
  import_into(other, R"({"coordinate": [5], "payload": {"text": "Porto"}})").value();
  near(vector_of(other, {5}), {0, 1, 0, 0, 0});
}
