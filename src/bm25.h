// BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, section 3.2) over weighted
// columns (their BM25F with one length normalisation), with the statistics of one space.
#ifndef FRACTAL_SRC_BM25_H
#define FRACTAL_SRC_BM25_H

#include <fractal/backend.h>

#include <array>
#include <cstdint>
#include <vector>

namespace fractal {

struct Bm25Scores {
  struct Entry {
    MemoryId id = 0;
    double score = 0;
    double coverage = 0;  // the found words' share of the idf of all terms, 0..1, wherever in the memory they stand
  };
  std::vector<Entry> entries;       // as Postings::entries, in their order
  std::vector<double> term_scores;  // entries.size() rows of terms
  double bound = 0;                 // no memory can score more: sum over all terms, found or not, of idf * (k1 + 1)
};

// k1 = 0.9, b = 0.4 (docs/benchmarks.md), idf = ln(1 + (N - df + 0.5) / (df + 0.5)).
Bm25Scores bm25(const Postings& postings, std::size_t terms, const SpaceRecord& space,
                const std::array<double, weight_classes>& weights);

}  // namespace fractal

#endif
