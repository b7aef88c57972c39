// How good an order of answers is.
#ifndef FRACTAL_BENCH_QUALITY_MEASURES_H
#define FRACTAL_BENCH_QUALITY_MEASURES_H

#include "task.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace fractal::quality {

inline constexpr std::size_t depth = 10;

// recall@k: the part of the evidence among the first k. nDCG@10 (Jaervelin and Kekaelaeinen, TOIS 2002): gain 1 for
// evidence, discount log2(rank + 1), divided by that of the best order.
struct Measures {
  double recall_1 = 0, recall_5 = 0, recall_10 = 0, ndcg_10 = 0;
};

Measures measure(const std::vector<Coordinate>& answers, const std::vector<Coordinate>& evidence);

// Means over questions, of each family and of all.
class Means {
 public:
  void add(const std::string& family, const Measures& one);
  std::size_t questions(const std::string& family) const;
  Measures of(const std::string& family) const;  // "all": of all families

 private:
  struct Sum {
    std::size_t questions = 0;
    Measures sum;
  };
  std::map<std::string, Sum> sums_;
};

}  // namespace fractal::quality

#endif
