// A random space and the answers that searches of it must give, by the definitions of fractal_memory.h: loops over
// everything, in double.
#ifndef FRACTAL_TESTS_ENGINE_CORPUS_H
#define FRACTAL_TESTS_ENGINE_CORPUS_H

#include "engine.h"

#include <functional>
#include <map>
#include <optional>

namespace engine {

struct Item {
  Coordinate at;
  std::vector<std::string> text, context;  // words that no stemmer changes
  std::vector<float> vector;               // may be empty
  int year = 0;
  std::string topic;
  std::size_t order = 0;  // of first storing

  Memory memory() const;
};

// What one memory gets, and by what.
struct Scored {
  const Item* item = nullptr;
  double score = 0;
  std::optional<double> vector, keyword;
  double coverage = 0;  // share of the idf of all terms
};

class Corpus {
 public:
  struct Shape {
    std::size_t items = 300, dimension = 12, vocabulary = 60;
    double without_vector = 0.2, without_words = 0.2;
    Metric metric = Metric::cosine;
  };
  Corpus(std::mt19937_64& random, const Shape& shape);

  void store_in(const FractalMemory& memory) const;
  const std::map<Coordinate, Item>& items() const { return items_; }
  Metric metric() const { return shape_.metric; }
  std::size_t dimension() const { return shape_.dimension; }

  using Passes = std::function<bool(const Item&)>;
  // Everything with a vector, best first, ties by first storing.
  std::vector<Scored> by_vector(const std::vector<float>& query, const Passes& passes) const;
  // BM25: k1 = 0.9, b = 0.4, the context field at weight 0.5; statistics of the whole space.
  std::vector<Scored> by_keyword(const std::vector<std::string>& terms, const Passes& passes) const;
  // The words' side is the square of the coverage.
  std::vector<Scored> convex(const std::vector<float>& query, const std::vector<std::string>& terms, double alpha,
                             const Passes& passes) const;
  std::vector<Scored> rrf(const std::vector<float>& query, const std::vector<std::string>& terms,
                          const Passes& passes) const;
  double idf(const std::string& term) const;

 private:
  Shape shape_;
  std::map<Coordinate, Item> items_;
};

// Hits are right: those wanted of `all`, in order, with the scores of the oracle; where two scores of the oracle
// cannot be told apart either may come first, but equal scores of hits are in the order of first storing.
void check_hits(const Corpus& corpus, const std::vector<Scored>& all, const SearchResult& result,
                const SearchOptions& options);

inline std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace engine

#endif
