// The questions that the demo asks, and the answers it shows.
#ifndef EXAMPLES_WORDNET_TOUR_H
#define EXAMPLES_WORDNET_TOUR_H

#include "corpus.h"
#include "report.h"

#include <fractal/fractal_memory.h>

#include <filesystem>
#include <string>
#include <vector>

// A question, and a word of a memory that must be among the best five answers.
struct Asked {
  std::string question;
  std::string answer;
};

// What to ask of a corpus: words that it has, and questions about them.
struct Questions {
  Asked by_words;
  std::vector<Asked> by_meaning;
  Asked by_both;
  std::string subtree;  // searched below this concept only
  Asked in_subtree;
  std::string topic;  // searched where payload field "topic" is this
  Asked of_topic;
  std::string around;    // walked from, and drawn
  std::string from, to;  // a way between them
};
extern const Questions wordnet_questions;
extern const Questions outline_questions;

// Asks everything, prints the answers, writes the picture to `dot`, and as SVG beside it if Graphviz is there. Throws
// if an answer is not right.
void tour(const fractal::FractalMemory& memory, const Corpus& corpus, const Questions& questions, Report& report,
          const std::filesystem::path& dot);

#endif
