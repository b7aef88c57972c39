// From the corpus into the memory.
#ifndef EXAMPLES_WORDNET_LOADER_H
#define EXAMPLES_WORDNET_LOADER_H

#include "corpus.h"
#include "report.h"

#include <fractal/fractal_memory.h>

#include <functional>
#include <vector>

// Returns an empty vector for a concept that has none.
using Embed = std::function<std::vector<float>(const Concept&)>;

// Stores every concept, then every link, in batches of 1,000: each batch is one durable commit. A memory
// that holds the whole corpus already is left as it is; an interrupted load starts again.
void load(const fractal::FractalMemory& memory, const Corpus& corpus, const Embed& embed, const Report& report);

#endif
