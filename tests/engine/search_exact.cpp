// Searches against the definitions: every mode, metric, fusion, page and filter.
#include "corpus.h"

#include <set>

using namespace engine;

namespace {

const Corpus::Passes everything = [](const Item&) { return true; };

std::vector<std::string> random_terms(std::mt19937_64& random, std::size_t n) {
  std::set<std::string> terms;
  while (terms.size() < n) terms.insert("w" + std::to_string(below(random, 70)));  // some are in no memory
  return {terms.begin(), terms.end()};
}

FractalMemory filled(const Corpus& corpus) {
  Options options = fresh_options();
  options.metric = corpus.metric();
  const auto memory = FractalMemory::open(options).value();
  corpus.store_in(memory);
  return memory;
}

// Of about nothing, 0.5 %, 4 %, half and all.
struct Selective {
  Filter filter;
  Corpus::Passes passes;
};
std::vector<Selective> selectivities() {
  return {{Filter::eq("topic", "none"), [](const Item&) { return false; }},
          {Filter::eq("topic", "t7"), [](const Item& item) { return item.topic == "t7"; }},
          {Filter::eq("year", 2004), [](const Item& item) { return item.year == 2004; }},
          {Filter::ge("year", 2012) && !Filter::prefix("topic", "t1"),
           [](const Item& item) { return item.year >= 2012 && !item.topic.starts_with("t1"); }},
          {Filter::exists("year"), everything}};
}

using Pages = std::vector<std::pair<std::size_t, std::size_t>>;  // top_k, offset

constexpr Metric metrics[] = {Metric::cosine, Metric::dot, Metric::l2};

}  // namespace

TEST_CASE("by vector: the exact best for each metric, k, offset and filter") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const Metric metric : metrics) {
    const Corpus corpus(random, {.items = 400, .metric = metric});
    const auto memory = filled(corpus);
    for (int round = 0; round < 8; ++round) {
      const auto query = round == 0 ? std::vector<float>(12, 1.0f) : random_vector(random, 12);
      for (const auto& selective : selectivities()) {
        const auto all = corpus.by_vector(query, selective.passes);
        for (const auto& [k, offset] : Pages{{1, 0}, {10, 0}, {10, 5}, {500, 0}, {20, all.size()}, {7, 99999 - 7}}) {
          const SearchOptions options{.top_k = k, .offset = offset, .filter = selective.filter};
          const auto result = memory.search(query, options).value();
          CHECK(result.mode == SearchMode::vector);
          check_hits(corpus, all, result, options);
        }
      }
    }
  }
}

TEST_CASE("by keyword: BM25 of this space") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Corpus corpus(random, {.items = 400});
  const auto memory = filled(corpus);
  for (int round = 0; round < 20; ++round) {
    const auto terms = random_terms(random, 1 + below(random, 6));
    for (const auto& selective : selectivities()) {
      const auto all = corpus.by_keyword(terms, selective.passes);
      for (const auto& [k, offset] : Pages{{10, 0}, {3, 4}, {1000, 0}}) {
        const SearchOptions options{.top_k = k, .offset = offset, .filter = selective.filter};
        const auto result = memory.search(join(terms), options).value();
        CHECK(result.mode == SearchMode::keyword);
        check_hits(corpus, all, result, options);
      }
    }
  }
}

TEST_CASE("hybrid, convex: the weighted sum over all, with or without vector and words") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const Metric metric : {Metric::cosine, Metric::l2}) {
    const Corpus corpus(random, {.items = 400, .metric = metric});
    const auto memory = filled(corpus);
    for (int round = 0; round < 12; ++round) {
      const auto query = random_vector(random, 12);
      const auto terms = random_terms(random, 1 + below(random, 4));
      const double alphas[] = {0.0, 0.05, 0.4, 0.6, 0.95, 1.0};
      const double alpha = alphas[below(random, 6)];
      for (const auto& selective : selectivities()) {
        const auto all = corpus.convex(query, terms, alpha, selective.passes);
        for (const auto& [k, offset] : Pages{{1, 0}, {10, 0}, {10, 10}, {500, 0}}) {
          const SearchOptions options{.top_k = k, .offset = offset, .filter = selective.filter, .alpha = alpha};
          const std::string text = join(terms);
          const auto result = memory.search({.text = text, .vector = query}, options).value();
          CHECK(result.mode == SearchMode::hybrid);
          CAPTURE(alpha);
          check_hits(corpus, all, result, options);
        }
      }
    }
  }
}

TEST_CASE("hybrid, reciprocal ranks: over the whole rankings") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const Metric metric : metrics) {
    const Corpus corpus(random, {.items = 300, .metric = metric});
    const auto memory = filled(corpus);
    for (int round = 0; round < 10; ++round) {
      const auto query = random_vector(random, 12);
      const auto terms = random_terms(random, 2);  // sums of two do not depend on their order
      for (const auto& selective : selectivities()) {
        const auto all = corpus.rrf(query, terms, selective.passes);
        for (const auto& [k, offset] : Pages{{10, 0}, {10, 10}, {500, 0}}) {
          const SearchOptions options{.top_k = k, .offset = offset, .filter = selective.filter, .fusion = Fusion::rrf};
          const std::string text = join(terms);
          check_hits(corpus, all, memory.search({.text = text, .vector = query}, options).value(), options);
        }
      }
    }
  }
}

TEST_CASE("within: a subtree alone, together with a filter too") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Corpus corpus(random, {.items = 300});
  const auto memory = filled(corpus);
  const auto query = random_vector(random, 12);
  const std::string text = "w1 w2 w3";
  for (double top = 0; top < 6; ++top) {
    const auto passes = [&](const Item& item) { return item.at[0] == top && item.year >= 2010; };
    const SearchOptions options{.top_k = 20, .filter = Filter::ge("year", 2010), .within = {top}, .alpha = 0.6};
    check_hits(corpus, corpus.by_vector(query, passes), memory.search(query, options).value(), options);
    check_hits(corpus, corpus.by_keyword({"w1", "w2", "w3"}, passes), memory.search(text, options).value(), options);
    check_hits(corpus, corpus.convex(query, {"w1", "w2", "w3"}, *options.alpha, passes),
               memory.search({.text = text, .vector = query}, options).value(), options);
  }
}

TEST_CASE("pages neither skip nor repeat, and the same question has the same answer") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Corpus corpus(random, {.items = 350});
  const auto memory = filled(corpus);
  const auto query = random_vector(random, 12);
  const std::string text = "w1 w2 w5 w9";
  for (const auto mode : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
    for (const auto fusion : {Fusion::convex, Fusion::rrf}) {
      if (mode != SearchMode::hybrid && fusion == Fusion::rrf) continue;
      for (const double alpha : {0.0, 0.5, 1.0}) {
        if ((mode != SearchMode::hybrid || fusion == Fusion::rrf) && alpha != 0.5) continue;
        for (const double diversity : {0.0, 0.3}) {
          SearchOptions options{.top_k = 1000, .mode = mode, .alpha = alpha, .fusion = fusion, .diversity = diversity};
          const auto whole = memory.search({.text = text, .vector = query}, options).value();
          CHECK(whole.hits.size() == whole.matched);
          const auto again = memory.search({.text = text, .vector = query}, options).value();
          CHECK(coordinates(again.hits) == coordinates(whole.hits));
          CHECK(again.plan == whole.plan);
          options.top_k = diversity == 0 ? 1 + below(random, 60) : 50 + below(random, 100);
          std::vector<Hit> pages;
          for (options.offset = 0; options.offset < whole.matched; options.offset += options.top_k) {
            const auto page = memory.search({.text = text, .vector = query}, options).value();
            CHECK(page.matched == whole.matched);
            pages.insert(pages.end(), page.hits.begin(), page.hits.end());
          }
          CAPTURE(alpha);
          CAPTURE(diversity);
          CAPTURE(to_string(mode));
          REQUIRE(pages.size() == whole.hits.size());
          CHECK(coordinates(pages) == coordinates(whole.hits));
          for (std::size_t i = 0; i < pages.size(); ++i) CHECK(pages[i].score == whole.hits[i].score);
        }
      }
    }
  }
}

TEST_CASE("the parts of an explanation add up to the score, exactly") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Corpus corpus(random, {.items = 200});
  const auto memory = filled(corpus);
  for (int round = 0; round < 10; ++round) {
    const auto query = random_vector(random, 12);
    const std::string text = join(random_terms(random, 5));
    for (const auto mode : {SearchMode::vector, SearchMode::keyword, SearchMode::hybrid}) {
      for (const auto fusion : {Fusion::convex, Fusion::rrf}) {
        const auto result = memory
                                .search({.text = text, .vector = query},
                                        {.top_k = 100, .mode = mode, .alpha = 0.37, .fusion = fusion, .explain = true})
                                .value();
        CHECK_FALSE(result.plan.empty());
        for (const Hit& hit : result.hits) {
          double sum = 0;
          REQUIRE_FALSE(hit.explain.empty());
          for (const ScorePart& part : hit.explain) sum += part.contribution;
          CHECK(sum == hit.score);
          const std::string& name = hit.explain.front().name;
          if (mode == SearchMode::vector) CHECK(name == "vector");
          if (mode == SearchMode::keyword) CHECK(name.starts_with("term w"));
          if (mode == SearchMode::hybrid) CHECK(name == (fusion == Fusion::rrf ? "rrf vector" : "vector"));
        }
      }
    }
  }
  CHECK(memory.search("w1").value().hits.at(0).explain.empty());
}

TEST_CASE("after updates and removals the answers are those of what is there") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Corpus corpus(random, {.items = 250});
  const auto memory = filled(corpus);
  // Everything changes once and then back, some memories pass through being gone.
  for (const auto& [at, item] : corpus.items()) {
    memory.update(at, {.payload = R"({"text": "w1 w1 w1", "topic": "other"})", .embedding = random_vector(random, 12)})
        .value();
  }
  CHECK(memory.search("w1", {.filter = Filter::eq("topic", "other")}).value().matched == corpus.items().size());
  Batch batch;
  for (const auto& [at, item] : corpus.items()) batch.store(item.memory());
  memory.apply(batch).value();
  for (int i = 0; i < 40; ++i) {
    memory
        .store({.coordinate = {9, static_cast<double>(i)},
                .payload = R"({"text": "w1"})",
                .embedding = random_vector(random, 12)})
        .value();
  }
  for (int i = 0; i < 40; ++i) CHECK(memory.remove({9, static_cast<double>(i)}).value());
  const auto query = random_vector(random, 12);
  const SearchOptions options{.top_k = 40, .alpha = 0.6};
  check_hits(corpus, corpus.by_vector(query, everything), memory.search(query, options).value(), options);
  check_hits(corpus, corpus.by_keyword({"w1", "w4"}, everything), memory.search("w1 w4", options).value(), options);
  check_hits(corpus, corpus.convex(query, {"w1", "w4"}, 0.6, everything),
             memory.search({.text = "w1 w4", .vector = query}, options).value(), options);
}
