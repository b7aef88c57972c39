// How alike two memories are, 0..1, for maximal marginal relevance: by vectors where both have one, by
// shared words (Jaccard) where one has not.
#ifndef FRACTAL_SRC_LIKENESS_H
#define FRACTAL_SRC_LIKENESS_H

#include <fractal/backend.h>

#include "src/keywords.h"

#include <span>
#include <string>
#include <vector>

namespace fractal {

class Likeness {
 public:
  static Result<Likeness> make(ReadView& view, const TextFields& text_fields, std::span<const MemoryId> ids);
  // Of the i-th and j-th of the ids.
  double between(std::size_t i, std::size_t j) const;

 private:
  struct Entry {
    std::vector<float> vector;       // of length 1, or empty
    std::vector<std::string> words;  // distinct, sorted
  };
  std::vector<Entry> entries_;
};

}  // namespace fractal

#endif
