#include "corpus.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace engine {
namespace {

constexpr double context_weight = 0.5;

double frequency(const Item& item, const std::string& term) {
  return static_cast<double>(std::count(item.text.begin(), item.text.end(), term)) +
         context_weight * static_cast<double>(std::count(item.context.begin(), item.context.end(), term));
}

double length(const Item& item) {
  return static_cast<double>(item.text.size()) + context_weight * static_cast<double>(item.context.size());
}

double vector_score(Metric metric, const std::vector<float>& q, const std::vector<float>& v) {
  double product = 0, q2 = 0, v2 = 0, d2 = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const double a = q[i], b = v[i];
    product += a * b;
    q2 += a * a;
    v2 += b * b;
    d2 += (a - b) * (a - b);
  }
  if (metric == Metric::dot) return product;
  if (metric == Metric::l2) return 1 / (1 + std::sqrt(d2));
  return std::clamp(product / std::sqrt(q2) / std::sqrt(v2), -1.0, 1.0);
}

double unit(Metric metric, double score) { return metric == Metric::cosine ? (1 + score) / 2 : score; }

void sort(std::vector<Scored>& all) {
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.item->order < b.item->order;
  });
}

// Scores that differ by rounding alone are one rank apart by first storing, as equal ones are.
void rank(std::vector<Scored>& all) {
  for (Scored& scored : all) scored.score = std::round(scored.score * 1e11) / 1e11;
  sort(all);
}

}  // namespace

Memory Item::memory() const {
  std::string payload = "{\"year\": " + std::to_string(year) + ", \"topic\": \"" + topic + "\"";
  if (!text.empty()) payload += ", \"text\": \"" + join(text) + "\"";
  if (!context.empty()) payload += ", \"context\": \"" + join(context) + "\"";
  // A payload with none of the text fields is searched by all its texts, so one of them is there.
  if (text.empty() && context.empty()) payload += ", \"title\": \"\"";
  return {.coordinate = at, .payload = payload + "}", .embedding = vector};
}

Corpus::Corpus(std::mt19937_64& random, const Shape& shape) : shape_(shape) {
  const auto chance = [&](double p) { return std::uniform_real_distribution<double>(0, 1)(random) < p; };
  const auto word = [&] {  // some words are frequent
    const std::size_t n = std::min(below(random, shape.vocabulary), below(random, shape.vocabulary));
    return "w" + std::to_string(n);
  };
  while (items_.size() < shape.items) {
    Item item;
    item.at = {static_cast<double>(below(random, 5)), static_cast<double>(below(random, 10 * shape.items))};
    if (items_.contains(item.at)) continue;
    if (!chance(shape.without_words)) {
      for (std::size_t i = below(random, 15) + 1; i > 0; --i) item.text.push_back(word());
      if (chance(0.5)) item.context = {word(), word()};
    }
    if (!chance(shape.without_vector)) {
      item.vector = random_vector(random, shape.dimension);
      if (chance(0.1)) item.vector.assign(shape.dimension, 1);  // equal scores
    }
    item.year = 2000 + static_cast<int>(below(random, 25));
    item.topic = "t" + std::to_string(below(random, 200));
    item.order = items_.size();
    items_.emplace(item.at, item);
  }
}

void Corpus::store_in(const FractalMemory& memory) const {
  std::vector<const Item*> in_order(items_.size());
  for (const auto& [at, item] : items_) in_order[item.order] = &item;
  Batch batch;
  for (const Item* item : in_order) batch.store(item->memory());
  memory.apply(batch).value();
}

std::vector<Scored> Corpus::by_vector(const std::vector<float>& query, const Passes& passes) const {
  std::vector<Scored> all;
  for (const auto& [at, item] : items_) {
    if (item.vector.empty() || !passes(item)) continue;
    const double score = vector_score(shape_.metric, query, item.vector);
    all.push_back({&item, score, score, {}, 0});
  }
  sort(all);
  return all;
}

double Corpus::idf(const std::string& term) const {
  double df = 0;
  for (const auto& [at, item] : items_) df += frequency(item, term) > 0 ? 1 : 0;
  return std::log(1 + (static_cast<double>(items_.size()) - df + 0.5) / (df + 0.5));
}

std::vector<Scored> Corpus::by_keyword(const std::vector<std::string>& terms, const Passes& passes) const {
  double total = 0;
  for (const auto& [at, item] : items_) total += length(item);
  const double average = total / static_cast<double>(items_.size());
  std::map<std::string, double> idfs;
  for (const std::string& term : terms) idfs[term] = idf(term);
  double all_words = 0;
  for (const auto& [term, weight] : idfs) all_words += weight;
  std::vector<Scored> all;
  for (const auto& [at, item] : items_) {
    double score = 0, found = 0;
    for (const auto& [term, weight] : idfs) {
      const double tf = frequency(item, term);
      found += tf > 0 ? weight : 0;
      score += weight * tf * 1.9 / (tf + 0.9 * (0.6 + 0.4 * length(item) / average));
    }
    if (score > 0 && passes(item)) all.push_back({&item, score, {}, score, found / all_words});
  }
  sort(all);
  return all;
}

std::vector<Scored> Corpus::convex(const std::vector<float>& query, const std::vector<std::string>& terms, double alpha,
                                   const Passes& passes) const {
  std::map<std::size_t, Scored> both;
  for (const Scored& scored : by_vector(query, passes)) both[scored.item->order] = scored;
  for (const Scored& scored : by_keyword(terms, passes)) {
    Scored& place = both[scored.item->order];
    place.item = scored.item;
    place.keyword = scored.score;
    place.coverage = scored.coverage;
  }
  std::vector<Scored> all;
  for (auto& [order, scored] : both) {
    scored.score = (scored.vector ? alpha * unit(shape_.metric, *scored.vector) : 0) +
                   (1 - alpha) * scored.coverage * scored.coverage;
    all.push_back(scored);
  }
  sort(all);
  return all;
}

std::vector<Scored> Corpus::rrf(const std::vector<float>& query, const std::vector<std::string>& terms,
                                const Passes& passes) const {
  auto vectors = by_vector(query, passes);
  auto words = by_keyword(terms, passes);
  rank(vectors);
  rank(words);
  std::map<std::size_t, Scored> both;
  for (const auto* side : {&vectors, &words}) {
    for (std::size_t i = 0; i < side->size(); ++i) {
      Scored& place = both[(*side)[i].item->order];
      place.item = (*side)[i].item;
      place.score += 1 / (60 + static_cast<double>(i + 1));
    }
  }
  std::vector<Scored> all;
  for (const auto& [order, scored] : both) all.push_back(scored);
  sort(all);
  return all;
}

void check_hits(const Corpus& corpus, const std::vector<Scored>& all, const SearchResult& result,
                const SearchOptions& options) {
  CHECK(result.matched == all.size());
  CHECK(result.exact);
  const std::size_t begin = std::min(options.offset, all.size());
  const std::size_t size = std::min(options.top_k, all.size() - begin);
  REQUIRE(result.hits.size() == size);
  std::map<std::size_t, double> scores;
  for (const Scored& scored : all) scores[scored.item->order] = scored.score;
  std::set<std::size_t> seen;
  for (std::size_t i = 0; i < size; ++i) {
    const Hit& hit = result.hits[i];
    const Item& item = corpus.items().at(hit.memory.coordinate);
    CAPTURE(i);
    CAPTURE(item.at.to_string());
    CHECK(seen.insert(item.order).second);
    REQUIRE(scores.contains(item.order));
    const double slack = 1e-12 * std::max(1.0, std::abs(hit.score));
    CHECK(std::abs(hit.score - scores[item.order]) <= slack);
    CHECK(std::abs(hit.score - all[begin + i].score) <= slack);  // no better one was left out
    CHECK(hit.memory.payload == item.memory().payload);
    if (i == 0) continue;
    const Hit& before = result.hits[i - 1];
    CHECK(before.score >= hit.score);
    if (before.score == hit.score) CHECK(corpus.items().at(before.memory.coordinate).order < item.order);
  }
}

}  // namespace engine
