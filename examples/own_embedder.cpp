// A program that brings its own text-to-vector function: it stores the vector beside the payload and
// searches by words and vector at once. Here the function counts character trigrams (trigrams.h), which
// forgives misspelling; put your sentence encoder in its place.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "trigrams.h"

namespace {

const std::vector<std::string> notes = {
    "The refrigerator in the kitchen hums at night",  "Ada repairs bicycles in the garage",
    "The bicycle with the red bell belongs to Grace", "Photographs of the summer are in the wooden box",
    "The photographer comes on Friday at nine",       "Green tea stands on the second shelf",
};

void show(const char* title, const fractal::SearchResult& found) {
  fmt::print("\n{} ({}, {} matched)\n", title, found.mode, found.matched);
  for (const auto& hit : found.hits) {
    fmt::print("  {:.3f}  {}\n", hit.score, hit.memory.payload);
    for (const auto& part : hit.explain)
      fmt::print("         {:<8} {:6.3f}  gives {:.3f}\n", part.name, part.value, part.contribution);
  }
}

bool begins_with_note(const fractal::SearchResult& found, double number) {
  return !found.hits.empty() && found.hits[0].memory.coordinate == fractal::Coordinate{number};
}

}  // namespace

int main() try {
  auto memory = fractal::FractalMemory::open(":memory:").value();
  for (std::size_t i = 0; i < notes.size(); ++i) {
    memory
        .store({.coordinate = {static_cast<double>(i)},
                .payload = fmt::format(R"({{"text": "{}"}})", notes[i]),
                .embedding = trigram_vector(notes[i])})
        .value();
  }

  // No word of the notes is spelled like this, so words alone find nothing.
  const std::string misspelt = "refridgerater";
  auto by_words = memory.search(misspelt).value();
  auto by_vector = memory.search(trigram_vector(misspelt), {.top_k = 2}).value();
  show("\"refridgerater\" by words", by_words);
  show("\"refridgerater\" by vector", by_vector);

  const std::string question = "Who repairs my bike or bicycle?";
  const auto vector = trigram_vector(question);
  auto both = memory.search({.text = question, .vector = vector}, {.top_k = 2, .alpha = 0.5, .explain = true}).value();
  show("\"Who repairs my bike or bicycle?\" by both", both);

  return by_words.hits.empty() && begins_with_note(by_vector, 0) && begins_with_note(both, 1) ? 0 : 1;
} catch (const std::exception& failure) {
  fmt::print(stderr, "own_embedder: {}\n", failure.what());
  return 1;
}
