// From the corpus into the memory.
#ifndef EXAMPLES_WORDNET_LOADER_H
#define EXAMPLES_WORDNET_LOADER_H

#include "corpus.h"
#include "report.h"

#include <fractal/fractal_memory.h>

// Stores every concept, then every link, in batches of 1,000: each batch is one durable commit. The library makes the
// vectors from the texts. A memory that holds the whole corpus already is left as it is; an interrupted load starts
// again.
void load(const fractal::FractalMemory& memory, const Corpus& corpus, const Report& report);

#endif
