// Invariant: no memory holds a word-for-word part of the definition that is asked for, and no question holds a word
// of the memory that answers it.
#include "task.h"

#include "examples/wordnet/readers.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace fractal::quality {
namespace {

constexpr std::size_t questions_wanted = 800;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// The quoted parts of a gloss, without the quotes.
std::vector<std::string> examples_of(std::string_view gloss) {
  std::vector<std::string> examples;
  for (std::size_t at = gloss.find('"'); at != std::string_view::npos; at = gloss.find('"', at + 1)) {
    const std::size_t end = gloss.find('"', at + 1);
    if (end == std::string_view::npos) break;
    examples.emplace_back(gloss.substr(at + 1, end - at - 1));
    at = end;
  }
  return examples;
}

std::string definition_of(std::string_view gloss) {
  std::string_view definition = gloss.substr(0, gloss.find('"'));
  while (!definition.empty() && (definition.back() == ' ' || definition.back() == ';')) definition.remove_suffix(1);
  return std::string(definition);
}

// Whether the definition uses one of the words that it defines, or a part of a name of several words.
bool names_itself(const Concept& item, std::string_view definition) {
  const std::string text = lower(definition);
  for (const std::string& name : item.words) {
    std::string_view rest = name;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find_first_of(" -"), rest.size());
      if (end >= 3 && text.find(lower(rest.substr(0, std::min<std::size_t>(end, 5)))) != std::string::npos) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

}  // namespace

// Memory: the words of a noun with its examples of use as text, the words of the concept above it as context; nouns
// without an example are left out. Question: the definition, of as many nouns at equal distances as wanted, if it has
// four words or more and does not name what it defines (no word begins with the first five letters of one of them).
Task read_definitions(const std::filesystem::path& wordnet) {
  const Corpus corpus = read_wordnet(wordnet);
  Task task;
  task.name = "definitions";
  std::vector<Question> questions;
  for (const Concept& item : corpus.concepts) {
    const std::vector<std::string> examples = examples_of(item.text);
    if (examples.empty()) continue;
    Entry entry{.text = fmt::format("{}: {}", fmt::join(item.words, ", "), fmt::join(examples, "; "))};
    if (item.parent != no_parent) entry.context = fmt::format("{}", fmt::join(corpus.concepts[item.parent].words, ", "));
    entry.memory.coordinate = Coordinate{static_cast<double>(item.key)};
    entry.memory.payload = make_payload(entry.text, entry.context);
    const std::string definition = definition_of(item.text);
    if (std::count(definition.begin(), definition.end(), ' ') >= 3 && !names_itself(item, definition)) {
      questions.push_back({.family = "definition", .text = definition, .evidence = {entry.memory.coordinate}});
    }
    task.entries.push_back(std::move(entry));
  }
  const std::size_t step = std::max<std::size_t>(1, questions.size() / questions_wanted);
  for (std::size_t i = 0; i < questions.size() && task.questions.size() < questions_wanted; i += step) {
    task.questions.push_back(std::move(questions[i]));
  }
  return task;
}

}  // namespace fractal::quality
