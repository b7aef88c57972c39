// What the demo loads: concepts that form a tree, with links across it.
#ifndef EXAMPLES_WORDNET_CORPUS_H
#define EXAMPLES_WORDNET_CORPUS_H

#include <fractal/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

inline constexpr std::size_t no_parent = static_cast<std::size_t>(-1);

struct Relation {
  std::size_t to = 0;  // index of a concept
  std::string_view type;
};

struct Concept {
  std::uint32_t key = 0;  // WordNet: the synset's offset; the small corpus: the line
  std::vector<std::string> words;
  std::string text;
  std::string topic;
  std::size_t parent = no_parent;
  std::vector<Relation> relations;

  // Filled in by place().
  fractal::Coordinate coordinate;  // the way from the root: which child at each step
  std::size_t below = 0;           // concepts in its subtree, without itself

  std::string title() const;                           // the words, separated by commas
  void relate(std::size_t to, std::string_view type);  // does nothing if that link is there
};

struct Corpus {
  std::string name;
  std::vector<Concept> concepts;
  std::unordered_map<std::string, std::size_t> first_sense;  // word, in lower case, to concept

  // Throws if the corpus does not have the word.
  const Concept& find(const std::string& word) const;
  std::size_t count_relations() const;
};

// Gives each concept its coordinate and counts what lies below it. The children of a concept are numbered
// from 1 in the order of the corpus; so are the roots. Throws if parents form a circle.
void place(Corpus& corpus);

// A concept as the demo stores it.
fractal::Memory to_memory(const Corpus& corpus, const Concept& item);

#endif
