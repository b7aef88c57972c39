// Activation as a part of a search's score, against its definition over everything that matches.
#include "corpus.h"

#include <algorithm>
#include <map>

using namespace engine;

namespace {

constexpr Direction directions[] = {Direction::outgoing, Direction::incoming, Direction::both};

// A random space, its items linked with each other and with places that hold no memory.
struct Linked {
  std::mt19937_64& random;
  Corpus corpus;
  FractalMemory memory;
  std::vector<const Item*> items{};

  Linked(std::mt19937_64& numbers, Metric metric)
      : random(numbers), corpus(numbers, {.items = 300, .metric = metric}), memory(open(metric)) {
    corpus.store_in(memory);
    Batch batch;
    for (const auto& [at, item] : corpus.items()) items.push_back(&item);
    for (int i = 0; i < 900; ++i) {
      batch.link({.from = some(),
                  .to = below(random, 20) == 0 ? Coordinate{-1, 1.0 * i} : some(),
                  .type = below(random, 2) == 0 ? "a" : "b",
                  .strength = 0.1 * static_cast<double>(below(random, 9))});
    }
    memory.apply(batch).value();
  }
  static FractalMemory open(Metric metric) {
    Options options = fresh_options();
    options.metric = metric;
    return FractalMemory::open(options).value();
  }
  Coordinate some() const { return items[below(random, items.size())]->at; }

  Association association() const {
    Association chosen{.weight = 0.1 * static_cast<double>(1 + below(random, 9))};
    for (std::size_t i = 1 + below(random, 3); i > 0; --i) chosen.seeds.push_back(some());
    chosen.spread.decay = 0.1 * static_cast<double>(1 + below(random, 9));
    chosen.spread.hops = 1 + below(random, 4);
    chosen.spread.direction = directions[below(random, 3)];
    chosen.spread.limit = below(random, 2) == 0 ? 5 : 100;
    if (below(random, 3) == 0) chosen.spread.type = "a";
    return chosen;
  }

  // What the definition makes of scores in 0..1.
  std::vector<Scored> with(std::vector<Scored> all, const Association& association) const {
    const auto active = memory.activate(association.seeds, association.spread).value();
    std::map<Coordinate, double> shares;
    for (const Activation& one : active) shares[one.coordinate] = one.amount / active.front().amount;
    for (Scored& one : all) {
      one.score = (1 - association.weight) * one.score + association.weight * shares[one.item->at];
    }
    std::stable_sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : a.item->order < b.item->order;
    });
    return all;
  }
};

double unit_of(Metric metric, double score) { return metric == Metric::cosine ? (1 + score) / 2 : score; }

void check_parts(const SearchResult& result) {
  for (const Hit& hit : result.hits) {
    double sum = 0;
    for (const ScorePart& part : hit.explain) sum += part.contribution;
    CHECK(sum == doctest::Approx(hit.score).epsilon(1e-12));
    CHECK(hit.explain.back().name == "association");
  }
}

}  // namespace

TEST_CASE("association: part of the score in every mode") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  for (const Metric metric : {Metric::cosine, Metric::l2}) {
    const Linked linked(random, metric);
    const Corpus& corpus = linked.corpus;
    for (int round = 0; round < 25; ++round) {
      const int first_year = below(random, 2) == 0 ? 0 : 2012;
      const auto passes = [&](const Item& item) { return item.year >= first_year; };
      const auto query = random_vector(random, 12);
      const std::vector<std::string> terms{"w1", "w7"};
      const std::string text = join(terms);
      for (const auto& [k, offset] : {std::pair<std::size_t, std::size_t>{5, 0}, {10, 3}, {500, 0}}) {
        SearchOptions options{.top_k = k, .offset = offset, .association = linked.association(), .explain = true};
        if (first_year != 0) options.filter = Filter::ge("year", first_year);
        const auto check = [&](const std::vector<Scored>& all, const SearchResult& result) {
          check_hits(corpus, linked.with(all, options.association), result, options);
          check_parts(result);
        };
        auto vectors = corpus.by_vector(query, passes);
        for (Scored& one : vectors) one.score = unit_of(metric, one.score);
        check(vectors, linked.memory.search(query, options).value());

        auto keywords = corpus.by_keyword(terms, passes);
        for (Scored& one : keywords) one.score /= 1.9 * (corpus.idf(terms[0]) + corpus.idf(terms[1]));
        check(keywords, linked.memory.search(text, options).value());

        options.alpha = 0.6;
        const Query both{.text = text, .vector = query};
        check(corpus.convex(query, terms, 0.6, passes), linked.memory.search(both, options).value());

        options.fusion = Fusion::rrf;
        auto ranks = corpus.rrf(query, terms, passes);
        for (Scored& one : ranks) one.score *= 61.0 / 2;
        check(ranks, linked.memory.search(both, options).value());
      }
    }
  }
}

TEST_CASE("association: what it asks of its arguments, and when it says nothing") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Linked linked(random, Metric::cosine);
  const auto query = random_vector(random, 12);
  const auto plain = linked.memory.search(query).value();
  SearchOptions options{.association = {.seeds = {linked.some()}, .weight = 0}};
  CHECK(coordinates(linked.memory.search(query, options).value().hits) == coordinates(plain.hits));
  options.association = {.seeds = {{12345, 6}}};  // a place that nothing is linked with
  CHECK(coordinates(linked.memory.search(query, options).value().hits) == coordinates(plain.hits));
  for (const double weight : {-0.1, 1.0, std::nan("")}) {
    options.association.weight = weight;
    CHECK(error_of(linked.memory.search(query, options)).code == Errc::invalid_argument);
  }
  options.association = {.seeds = {linked.some()}, .spread = {.decay = 1}};
  CHECK(error_of(linked.memory.search(query, options)).code == Errc::invalid_argument);

  const Linked unbounded(random, Metric::dot);
  const SearchOptions associated{.association = {.seeds = {unbounded.some()}}};
  CHECK(error_of(unbounded.memory.search(query, associated)).code == Errc::unsupported);
  CHECK(unbounded.memory.search("w1", associated).has_value());
}

TEST_CASE("association: diversity and deadlines go with it") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const Linked linked(random, Metric::cosine);
  const auto query = random_vector(random, 12);
  SearchOptions options{.diversity = 0.5, .association = linked.association()};
  const auto result = linked.memory.search(query, options).value();
  CHECK(result.hits.size() == 10);
  options.diversity = 0;
  // The first hit of diversity is the first of all.
  CHECK(linked.memory.search(query, options).value().hits[0].memory.coordinate == result.hits[0].memory.coordinate);
  options.association.spread.control.deadline = std::chrono::steady_clock::time_point::min();
  CHECK(error_of(linked.memory.search(query, options)).code == Errc::unavailable);
}
