// The questions that the demo asks, and the answers it shows.
#ifndef EXAMPLES_WORDNET_TOUR_H
#define EXAMPLES_WORDNET_TOUR_H

#include "corpus.h"
#include "report.h"

#include <fractal/fractal_memory.h>

#include <filesystem>
#include <string>

// What to ask of a corpus: words that it has, and questions about them.
struct Questions {
  std::string keywords;  // searched by words
  std::string like;      // searched by its vector
  std::string hybrid;    // words, together with the vector of hybrid_like
  std::string hybrid_like;
  std::string subtree;  // searched below this concept only
  std::string in_subtree;
  std::string topic;  // searched where payload field "topic" is this
  std::string topic_like;
  std::string around;    // walked from
  std::string from, to;  // a way between them
  std::string picture;   // drawn with its subtree
};
extern const Questions wordnet_questions;
extern const Questions outline_questions;

// Asks everything, prints the answers, writes the picture to `dot`. Throws if an answer cannot be right.
void tour(const fractal::FractalMemory& memory, const Corpus& corpus, const Questions& questions, Report& report,
          const std::filesystem::path& dot);

#endif
