// Invariant: a score depends on the space's own numbers alone, lies between 0 and the bound, and is the sum of its
// terms' scores in the order of the terms, so that it is the same to the last bit on every storage; so is coverage.
#include "bm25.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace fractal {
namespace {

constexpr double k1 = 0.9;
constexpr double b = 0.4;

template <class Counts> double weighted(const Counts& counts, const std::array<double, weight_classes>& weights) {
  double sum = 0;
  for (std::size_t column = 0; column < weight_classes; ++column) {
    sum += weights[column] * static_cast<double>(counts[column]);
  }
  return sum;
}

double inverse_document_frequency(double memories, double frequency) {
  return std::log(1 + (memories - frequency + 0.5) / (frequency + 0.5));
}

}  // namespace

Bm25Scores bm25(const Postings& postings, std::size_t terms, const SpaceRecord& space,
                const std::array<double, weight_classes>& weights) {
  const std::size_t rows = postings.entries.size();
  Bm25Scores result;
  result.entries.resize(rows);
  result.term_scores.resize(rows * terms);

  // Weighted frequencies first, to be turned into scores once the documents of each term are counted.
  std::vector<std::size_t> documents(terms);
  for (std::size_t i = 0; i < rows * terms; ++i) {
    result.term_scores[i] = weighted(postings.counts[i], weights);
    if (result.term_scores[i] > 0) ++documents[i % terms];
  }
  std::vector<double> idf(terms);
  double all = 0;
  for (std::size_t term = 0; term < terms; ++term) {
    // Never negative, even if the counter of a damaged file is too small.
    const auto frequency = static_cast<double>(documents[term]);
    idf[term] = inverse_document_frequency(std::max(static_cast<double>(space.memories), frequency), frequency);
    // A word that no memory has counts too: who has only the other words of a question answers it in part.
    result.bound += idf[term] * (k1 + 1);
    all += idf[term];
  }

  const double memories = std::max(static_cast<double>(space.memories), static_cast<double>(rows));
  const double average = memories > 0 ? weighted(space.words, weights) / memories : 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const double length = weighted(postings.entries[row].words, weights);
    const double norm = k1 * (1 - b + (average > 0 ? b * length / average : b));
    double score = 0, found = 0;
    for (std::size_t term = 0; term < terms; ++term) {
      double& part = result.term_scores[row * terms + term];
      if (part > 0) {
        part = idf[term] * part * (k1 + 1) / (part + norm);
        found += idf[term];
      }
      score += part;
    }
    result.entries[row] = {postings.entries[row].id, score, all > 0 ? found / all : 0};
  }
  return result;
}

}  // namespace fractal
