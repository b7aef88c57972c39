// From the scores of the two sides to one order.
#ifndef FRACTAL_SRC_RANKING_H
#define FRACTAL_SRC_RANKING_H

#include <fractal/backend.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace fractal {

// A memory with what each side says of it.
struct Candidate {
  MemoryId id = 0;
  double score = 0;                 // by which it is ordered, and Hit::score
  std::optional<double> vector{};   // raw score of the vector side; unset: no vector
  std::optional<double> keyword{};  // raw BM25, but in convex fusion; unset: none of the words
  double coverage = 0;              // of the question by the memory's words, see Bm25Scores
  std::uint64_t vector_rank = 0;    // from 1, for reciprocal rank fusion; 0: not ranked
  std::uint64_t keyword_rank = 0;
  double association = 0;  // 0..1, of the most active
};

// Better score first, then the memory that was stored first.
bool ranks_before(const Candidate& left, const Candidate& right) noexcept;
// The best n in order; the rest is dropped.
void keep_best(std::vector<Candidate>& candidates, std::size_t n);

// 0..1 from a vector score, see Metric (dot has no bound: hybrid search refuses it for convex fusion).
double unit_vector_score(Metric metric, double score) noexcept;
// 0..1 from a BM25 score and the most that any memory could get.
double unit_keyword_score(double score, double bound) noexcept;
// 0..1 from a coverage, for the sum with a vector score: its square, so that words weigh little until most of the
// question's are there. Lucene's classic scoring does the same to the score of words: times the share that was found.
double unit_coverage_score(double coverage) noexcept;
double reciprocal_rank(std::uint64_t rank) noexcept;
// 0..1 from the sum of two of these.
double unit_rank_score(double score) noexcept;

// Maximal marginal relevance: reorders the candidates, which are in order of score, by
// (1 - diversity) * relevance - diversity * (likeness to the most alike before it).
// relevance(i) and likeness(i, j) are in 0..1.
void diversify(std::vector<Candidate>& candidates, double diversity,
               const std::function<double(std::size_t)>& relevance,
               const std::function<double(std::size_t, std::size_t)>& likeness);

}  // namespace fractal

#endif
