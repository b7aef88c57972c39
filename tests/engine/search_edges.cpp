// Searches at their edges: empty spaces, stop words, many words, modes that cannot be, diversity.
#include "corpus.h"

#include <set>

using namespace engine;

TEST_CASE("a space without anything answers every search with nothing") {
  const auto memory = open_fresh();
  const std::vector<float> vector{1, 2};
  for (const auto mode : {SearchMode::automatic, SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    const auto result =
        memory.search({.text = "tea", .vector = vector}, {.filter = Filter::eq("a", 1), .mode = mode, .diversity = 0.5})
            .value();
    CHECK(result.hits.empty());
    CHECK(result.matched == 0);
    CHECK(result.sequence == 0);
    CHECK(result.exact);
  }
}

TEST_CASE("automatic does what the query has") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "green tea"})", .embedding = {1, 0}}).value();
  const std::vector<float> vector{1, 0};
  CHECK(memory.search("tea").value().mode == SearchMode::keyword);
  CHECK(memory.search(vector).value().mode == SearchMode::vector);
  CHECK(memory.search({.text = "tea", .vector = vector}).value().mode == SearchMode::hybrid);
  CHECK(memory.search({.text = "tea", .vector = vector}, {.mode = SearchMode::keyword}).value().mode ==
        SearchMode::keyword);
  CHECK(memory.search({.text = "tea", .vector = vector}, {.mode = SearchMode::vector}).value().mode ==
        SearchMode::vector);
  CHECK(memory.search("").value().hits.empty());
  CHECK(memory.search("?!, \n").value().hits.empty());
  CHECK(memory.search("tea", {.top_k = 0}).value().matched == 1);
  CHECK(memory.search(vector, {.top_k = 0}).value().matched == 1);
  CHECK(memory.search({.text = "tea", .vector = vector}, {.top_k = 0}).value().matched == 1);
}

TEST_CASE("a vector query on a space without vectors searches by words, and says so") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "green tea"})"}).value();
  const std::vector<float> vector{1, 0};
  const auto result = memory.search({.text = "tea", .vector = vector}).value();
  CHECK(result.mode == SearchMode::keyword);
  CHECK(result.hits.size() == 1);
  CHECK(result.plan.find("no vectors") != std::string::npos);
  CHECK(memory.search(vector).value().matched == 0);
}

TEST_CASE("words: cases, accents, endings, possessives, other scripts") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "Ada's CAF\u00c9 serves running rabbits"})"}).value();
  memory
      .store({.coordinate = {2},
              .payload = "{\"text\": \"\xE6\x9D\xB1\xE4\xBA\xAC \xD0\x9C\xD0\xBE\xD1\x81\xD0\xBA\xD0\xB2\xD0\xB0\"}"})
      .value();
  memory
      .store(
          {.coordinate = {3},
           .payload = R"({"title": "tea", "content": ["oolong", 7, "sencha"], "summary": "drink", "other": "hidden"})"})
      .value();
  memory.store({.coordinate = {4}, .payload = R"({"unusual": {"deep": ["platypus"]}})"}).value();
  const auto finds = [&](std::string_view text, const char* where) {
    CAPTURE(text);
    CHECK(coordinates(memory.search(text).value().hits) == where);
  };
  finds("ada", "1.0");
  finds("cafe", "1.0");
  finds("Cafe\xCC\x81", "1.0");
  finds("RUNS rabbit", "1.0");
  finds("\xE4\xBA\xAC", "2.0");
  finds("\xD0\x9C\xD0\x9E\xD0\xA1\xD0\x9A\xD0\x92\xD0\x90", "2.0");
  finds("sencha", "3.0");
  finds("drinks", "3.0");
  finds("hidden", "");       // other fields are not searched where there is a text field
  finds("platypus", "4.0");  // without one, every text is
  finds("\" OR 1=1 NEAR(a b) * ^", "");
}

TEST_CASE("stop words are dropped, unless there is nothing else") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "to be or not to be"})"}).value();
  memory.store({.coordinate = {2}, .payload = R"({"text": "what does the cat drink"})"}).value();
  CHECK(coordinates(memory.search("what does a cat do?").value().hits) == "2.0");
  CHECK(coordinates(memory.search("to be or not to be").value().hits).substr(0, 3) == "1.0");
  CHECK(memory.search("the").value().matched == 1);
}

TEST_CASE("of many words the first 32 different ones count") {
  const auto memory = open_fresh();
  std::string text;
  for (int i = 0; i < 40; ++i) {
    memory.store({.coordinate = {static_cast<double>(i)}, .payload = "{\"text\": \"w" + std::to_string(i) + "\"}"})
        .value();
    for (int repeat = 0; repeat < 50; ++repeat) text += "w" + std::to_string(i) + " ";
  }
  const auto result = memory.search(text, {.top_k = 100}).value();
  CHECK(result.matched == 32);
  for (const Hit& hit : result.hits) CHECK(hit.memory.coordinate[0] < 32);
}

TEST_CASE("a repeated word of the query counts once") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "w1 w2"})"}).value();
  memory.store({.coordinate = {2}, .payload = R"({"text": "w3"})"}).value();
  CHECK(memory.search("w1 w1 w1").value().hits.at(0).score == memory.search("w1").value().hits.at(0).score);
}

TEST_CASE("text fields of one's own, with weights") {
  Options options = fresh_options();
  options.text_fields = {{.path = "a", .weight = 2}, {.path = "b.c", .weight = 0.5}};
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"a": "w1 w2", "b": {"c": "w3"}, "text": "w4"})"}).value();
  memory.store({.coordinate = {2}, .payload = R"({"a": "w3 w2", "b": {"c": "w1"}, "text": "w4"})"}).value();
  memory.store({.coordinate = {3}, .payload = R"({"a": "w9", "text": "w4"})"}).value();
  CHECK(coordinates(memory.search("w1").value().hits) == "1.0 2.0");
  CHECK(coordinates(memory.search("w3").value().hits) == "2.0 1.0");
  CHECK(memory.search("w4").value().hits.empty());
  if (!durable_storage()) return;

  Options standard = options;  // other fields at the next open: the keywords are made anew
  standard.text_fields = {{.path = "text"}};
  const auto again = FractalMemory::open(standard).value();
  CHECK(again.search("w4").value().matched == 3);
  CHECK(again.search("w1").value().matched == 0);
  CHECK(again.verify().value().ok());
}

TEST_CASE("equal scores come in the order of first storing") {
  const auto memory = open_fresh();
  for (const double i : {5.0, 3.0, 9.0, 1.0, 7.0}) {
    memory.store({.coordinate = {i}, .payload = R"({"text": "tea"})", .embedding = {1, 1}}).value();
  }
  memory.store({.coordinate = {3}, .payload = R"({"text": "tea"})", .embedding = {1, 1}})
      .value();  // again: keeps its place
  memory.update({5}, {.payload = R"({"text": "tea"})"}).value();
  const std::vector<float> vector{1, 1};
  const char* order = "5.0 3.0 9.0 1.0 7.0";
  CHECK(coordinates(memory.search("tea").value().hits) == order);
  CHECK(coordinates(memory.search(vector).value().hits) == order);
  CHECK(coordinates(memory.search({.text = "tea", .vector = vector}).value().hits) == order);
  for (const double alpha : {0.0, 1.0}) {
    CHECK(
        coordinates(memory.search({.text = "nothing", .vector = vector}, {.top_k = 3, .alpha = alpha}).value().hits) ==
        "5.0 3.0 9.0");
  }
}

TEST_CASE("alpha 0 orders memories without a word by first storing, page by page") {
  const auto memory = open_fresh();
  for (double i = 0; i < 30; ++i) {
    memory.store({.coordinate = {i}, .embedding = {static_cast<float>(i), 1}}).value();
  }
  const std::vector<float> vector{1, 0};
  std::string pages;
  for (std::size_t offset = 0; offset < 30; offset += 10) {
    const auto page =
        memory.search({.text = "w1", .vector = vector}, {.top_k = 10, .offset = offset, .alpha = 0}).value();
    pages += (pages.empty() ? "" : " ") + coordinates(page.hits);
  }
  CHECK(pages == coordinates(memory.list().value().memories));
}

TEST_CASE("a dot product has no bound: convex fusion refuses it, ranks do not") {
  Options options = fresh_options();
  options.metric = Metric::dot;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {3, 4}}).value();
  const std::vector<float> vector{3, 4};
  const Error error = error_of(memory.search({.text = "tea", .vector = vector}));
  CHECK(error.code == Errc::unsupported);
  CHECK(mentions(error, "rrf"));
  CHECK(memory.search({.text = "tea", .vector = vector}, {.fusion = Fusion::rrf}).value().hits.size() == 1);
  CHECK(memory.search(vector).value().hits.at(0).score == 25);
  CHECK(memory.search({.text = "tea", .vector = vector}, {.mode = SearchMode::keyword}).value().hits.size() == 1);
}

TEST_CASE("metrics: the scores on paper") {
  const auto score = [](Metric metric, std::vector<float> stored, std::vector<float> query) {
    Options options = fresh_options();
    options.metric = metric;
    const auto memory = FractalMemory::open(options).value();
    memory.store({.coordinate = {1}, .embedding = std::move(stored)}).value();
    return memory.search(query).value().hits.at(0).score;
  };
  CHECK(score(Metric::cosine, {1, 0}, {5, 0}) == doctest::Approx(1));
  CHECK(score(Metric::cosine, {1, 0}, {-2, 0}) == doctest::Approx(-1));
  CHECK(score(Metric::cosine, {1, 0}, {0, 3}) == doctest::Approx(0));
  CHECK(score(Metric::cosine, {3, 4}, {4, 3}) == doctest::Approx(0.96));
  CHECK(score(Metric::cosine, {1e-30f, 0}, {1e30f, 1e30f}) == doctest::Approx(0.70710678));
  CHECK(score(Metric::dot, {1, 2}, {3, -4}) == -5);
  CHECK(score(Metric::l2, {1, 2}, {1, 2}) == 1);
  CHECK(score(Metric::l2, {0, 3}, {4, 0}) == doctest::Approx(1.0 / 6));
}

TEST_CASE("embeddings come with hits when asked for") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})", .embedding = {3, 4}}).value();
  CHECK(memory.search("tea").value().hits.at(0).memory.embedding.empty());
  CHECK(memory.search("tea", {.embeddings = true}).value().hits.at(0).memory == memory.retrieve({1}).value());
}

TEST_CASE("diversity spreads the first hits; each keeps its score") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const auto memory = open_fresh();
  // Ten near copies of the best direction, and five other directions that fit less well.
  for (int i = 0; i < 10; ++i) {
    memory
        .store({.coordinate = {1, static_cast<double>(i)},
                .payload = R"({"text": "w1 w2 w3"})",
                .embedding = {1, 0.1f + 0.001f * static_cast<float>(i), 0, 0, 0, 0}})
        .value();
  }
  for (std::size_t i = 0; i < 5; ++i) {
    std::vector<float> vector(6, 0.0f);
    vector[0] = 0.2f;
    vector[i + 1] = i == 0 ? -0.9f : 0.9f;
    memory
        .store({.coordinate = {2, static_cast<double>(i)},
                .payload = "{\"text\": \"w1 w9" + std::to_string(i) + " w8" + std::to_string(i) + " w7" +
                           std::to_string(i) + "\"}",
                .embedding = vector})
        .value();
  }
  const std::vector<float> query{1, 0.1f, 0, 0, 0, 0};
  const auto others = [](const SearchResult& result) {
    return std::count_if(result.hits.begin(), result.hits.end(),
                         [](const Hit& hit) { return hit.memory.coordinate[0] == 2; });
  };
  for (const auto mode : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    const auto plain = memory.search({.text = "w1 w2", .vector = query}, {.top_k = 6, .mode = mode}).value();
    const auto zero =
        memory.search({.text = "w1 w2", .vector = query}, {.top_k = 6, .mode = mode, .diversity = 0}).value();
    const auto spread =
        memory.search({.text = "w1 w2", .vector = query}, {.top_k = 6, .mode = mode, .diversity = 0.7}).value();
    const auto all = memory.search({.text = "w1 w2", .vector = query}, {.top_k = 15, .mode = mode}).value();
    CAPTURE(to_string(mode));
    CHECK(coordinates(zero.hits) == coordinates(plain.hits));
    CHECK(others(plain) == 0);
    CHECK(others(spread) == 5);
    CHECK(spread.hits.at(0).memory.coordinate == plain.hits.at(0).memory.coordinate);  // the best stays first
    CHECK(spread.matched == 15);
    for (const Hit& hit : spread.hits) {
      const auto same = std::find_if(all.hits.begin(), all.hits.end(), [&](const Hit& other) {
        return other.memory.coordinate == hit.memory.coordinate;
      });
      REQUIRE(same != all.hits.end());
      CHECK(same->score == hit.score);
    }
  }
}

TEST_CASE("diversity for dot products: longer vectors rank before shorter ones") {
  Options options = fresh_options();
  options.metric = Metric::dot;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .embedding = {2, 1}}).value();
  memory.store({.coordinate = {2}, .embedding = {9, 0}}).value();
  memory.store({.coordinate = {3}, .embedding = {5, 1}}).value();
  const std::vector<float> query{1, 0};
  CHECK(coordinates(memory.search(query, {.diversity = 0.01}).value().hits) == "2.0 3.0 1.0");
}
