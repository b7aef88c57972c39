// BM25 against numbers worked out by hand and against a plain second computation.
#include "bm25.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace fractal;

namespace {

using Weights = std::array<double, weight_classes>;
using Counts = std::array<std::uint32_t, weight_classes>;

SpaceRecord space(std::uint64_t memories, std::array<std::uint64_t, weight_classes> words) {
  SpaceRecord record;
  record.number = 1;
  record.memories = memories;
  record.words = words;
  return record;
}

// The formula of the header, written the long way.
double score_by_the_book(const Postings& postings, std::size_t terms, const SpaceRecord& record, const Weights& weights,
                         std::size_t row) {
  const double n = static_cast<double>(record.memories);
  double average = 0, length = 0;
  for (std::size_t c = 0; c < weight_classes; ++c) {
    average += weights[c] * static_cast<double>(record.words[c]) / n;
    length += weights[c] * postings.entries[row].words[c];
  }
  double sum = 0;
  for (std::size_t t = 0; t < terms; ++t) {
    double df = 0, tf = 0;
    for (std::size_t r = 0; r < postings.entries.size(); ++r) {
      bool there = false;
      for (std::size_t c = 0; c < weight_classes; ++c)
        there = there || (postings.counts[r * terms + t][c] > 0 && weights[c] > 0);
      df += there;
    }
    for (std::size_t c = 0; c < weight_classes; ++c) tf += weights[c] * postings.counts[row * terms + t][c];
    const double idf = std::log(1 + (n - df + 0.5) / (df + 0.5));
    sum += idf * tf * 1.9 / (tf + 0.9 * (0.6 + 0.4 * length / average));
  }
  return sum;
}

}  // namespace

TEST_CASE("one term, worked out by hand") {
  // Four memories of 10 words in all; the term stands twice in the first (4 words) and once in the second (2 words).
  Postings postings;
  postings.entries = {{7, {4, 0, 0, 0}}, {9, {2, 0, 0, 0}}};
  postings.counts = {Counts{2, 0, 0, 0}, Counts{1, 0, 0, 0}};
  const auto result = bm25(postings, 1, space(4, {10, 0, 0, 0}), {1, 0, 0, 0});
  // idf = ln(1 + 2.5/2.5) = ln 2. First: norm 0.9 (0.6 + 0.4 * 4/2.5) = 1.116: ln 2 * 3.8/3.116.
  // Second: norm 0.9 (0.6 + 0.4 * 2/2.5) = 0.828: ln 2 * 1.9/1.828.
  REQUIRE(result.entries.size() == 2);
  CHECK(result.entries[0].id == 7);
  CHECK(result.entries[0].score == doctest::Approx(0.8453014397072504).epsilon(1e-14));
  CHECK(result.entries[1].id == 9);
  CHECK(result.entries[1].score == doctest::Approx(0.7204483824200745).epsilon(1e-14));
  CHECK(result.bound == doctest::Approx(std::log(2.0) * 1.9));
}

TEST_CASE("a word in a light column counts by its weight, in frequency and length") {
  Postings postings;
  postings.entries = {{1, {0, 10, 0, 0}}, {2, {3, 0, 0, 0}}};
  postings.counts = {Counts{0, 10, 0, 0}, Counts{3, 0, 0, 0}};
  const auto result = bm25(postings, 1, space(10, {30, 100, 0, 0}), {1, 0.3, 0, 0});
  CHECK(result.entries[0].score == doctest::Approx(result.entries[1].score).epsilon(1e-14));
}

TEST_CASE("term scores add up, rare terms count more, and nothing passes the bound") {
  Postings postings;
  postings.entries = {{1, {5, 0, 0, 0}}, {2, {5, 0, 0, 0}}, {3, {5, 0, 0, 0}}};
  postings.counts = {Counts{1, 0, 0, 0}, Counts{1, 0, 0, 0}, Counts{1, 0, 0, 0}, {}, Counts{1, 0, 0, 0}, {}};
  const auto result = bm25(postings, 2, space(100, {500, 0, 0, 0}), {1, 0, 0, 0});
  REQUIRE(result.term_scores.size() == 6);
  CHECK(result.entries[0].score == result.term_scores[0] + result.term_scores[1]);
  CHECK(result.term_scores[1] > result.term_scores[0]);
  CHECK(result.term_scores[3] == 0);
  CHECK(result.entries[1].score == result.entries[2].score);
  CHECK(result.entries[0].coverage == 1);
  CHECK(result.bound > result.entries[0].score);
}

TEST_CASE("the bound is that of a memory with every word, also of words that no memory has") {
  Postings postings;
  postings.entries = {{1, {5, 0, 0, 0}}};
  postings.counts = {Counts{1, 0, 0, 0}, {}};
  const auto result = bm25(postings, 2, space(100, {500, 0, 0, 0}), {1, 0, 0, 0});
  const double found = std::log(1 + 99.5 / 1.5), missing = std::log(1 + 100.5 / 0.5);
  CHECK(result.bound == doctest::Approx(1.9 * (found + missing)));
  CHECK(result.entries[0].coverage == doctest::Approx(found / (found + missing)).epsilon(1e-14));
}

TEST_CASE("coverage counts a word by its idf alone: not how often, in which column or how long the memory is") {
  Postings postings;
  postings.entries = {{1, {5, 0, 0, 0}}, {2, {5, 90, 0, 0}}, {3, {1, 0, 0, 0}}};
  postings.counts = {Counts{4, 0, 0, 0}, {}, Counts{0, 1, 0, 0}, {}, {}, Counts{1, 0, 0, 0}};
  const auto result = bm25(postings, 2, space(100, {500, 90, 0, 0}), {1, 0.1, 0, 0});
  const double common = std::log(1 + 98.5 / 2.5), rare = std::log(1 + 99.5 / 1.5);
  CHECK(result.entries[0].coverage == doctest::Approx(common / (common + rare)).epsilon(1e-14));
  CHECK(result.entries[0].coverage == result.entries[1].coverage);
  CHECK(result.entries[2].coverage > result.entries[0].coverage);
}

TEST_CASE("edges: no rows, no terms, counters of a damaged space") {
  CHECK(bm25({}, 3, space(10, {50, 0, 0, 0}), {1, 0, 0, 0}).entries.empty());
  Postings postings;
  postings.entries = {{1, {1, 0, 0, 0}}, {2, {1, 0, 0, 0}}};
  postings.counts = {Counts{1, 0, 0, 0}, Counts{1, 0, 0, 0}};
  for (const auto& record : {space(0, {0, 0, 0, 0}), space(1, {0, 0, 0, 0}), space(1, {1, 0, 0, 0})}) {
    const auto result = bm25(postings, 1, record, {1, 0, 0, 0});
    for (const auto& entry : result.entries) {
      CHECK(std::isfinite(entry.score));
      CHECK(entry.score > 0);
      CHECK(entry.score <= result.bound);
    }
  }
  CHECK(
      bm25({.entries = {{1, {1, 0, 0, 0}}}, .counts = {}}, 0, space(1, {1, 0, 0, 0}), {1, 0, 0, 0}).entries[0].score ==
      0);
}

TEST_CASE("random postings against the plain computation") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 300; ++i) {
    const std::size_t terms = 1 + random() % 6, rows = 1 + random() % 20;
    const Weights weights = {2, 1, 0.3, random() % 2 == 0 ? 0.0 : 0.1};
    Postings postings;
    std::array<std::uint64_t, weight_classes> words{};
    for (std::size_t row = 0; row < rows; ++row) {
      Postings::Entry entry{100 + row * 3, {}};
      for (std::size_t t = 0; t < terms; ++t) {
        Counts counts{};
        for (auto& count : counts) count = random() % 3 == 0 ? static_cast<std::uint32_t>(random() % 5) : 0;
        postings.counts.push_back(counts);
        for (std::size_t c = 0; c < weight_classes; ++c) entry.words[c] += counts[c];
      }
      for (std::size_t c = 0; c < weight_classes; ++c) {
        entry.words[c] += static_cast<std::uint32_t>(1 + random() % 50);
        words[c] += entry.words[c];
      }
      postings.entries.push_back(entry);
    }
    const SpaceRecord record = space(rows + random() % 1000, words);
    const auto result = bm25(postings, terms, record, weights);
    REQUIRE(result.entries.size() == rows);
    for (std::size_t row = 0; row < rows; ++row) {
      REQUIRE(result.entries[row].id == postings.entries[row].id);
      REQUIRE(result.entries[row].score ==
              doctest::Approx(score_by_the_book(postings, terms, record, weights, row)).epsilon(1e-12));
      REQUIRE(result.entries[row].score <= result.bound);
      REQUIRE(result.entries[row].coverage >= 0);
      REQUIRE(result.entries[row].coverage <= 1);
      double sum = 0;
      for (std::size_t t = 0; t < terms; ++t) sum += result.term_scores[row * terms + t];
      REQUIRE(result.entries[row].score == sum);
    }
  }
}
