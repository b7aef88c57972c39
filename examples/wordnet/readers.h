// Where the concepts come from. The functions throw std::runtime_error with the file and line at fault.
#ifndef EXAMPLES_WORDNET_READERS_H
#define EXAMPLES_WORDNET_READERS_H

#include "corpus.h"

#include <filesystem>

// The nouns of WordNet 3.0 from its own files data.noun and index.noun (their format: wndb(5WN)).
bool has_wordnet(const std::filesystem::path& directory);
Corpus read_wordnet(const std::filesystem::path& directory);

// An outline as in small_corpus.txt, which explains its form.
Corpus read_outline(const std::filesystem::path& file);

#endif
