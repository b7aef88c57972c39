// A task of the quality bench: memories, and questions of which the answering memories are known.
#ifndef FRACTAL_BENCH_QUALITY_TASK_H
#define FRACTAL_BENCH_QUALITY_TASK_H

#include <fractal/fractal_memory.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fractal::quality {

struct Entry {
  Memory memory{};      // stored by its text: no vector
  std::string text{};     // payload.text
  std::string context{};  // payload.context; may be empty
};

struct Question {
  std::string family{};
  std::string text{};
  Filter filter{};
  std::vector<Coordinate> evidence{};
};

struct Task {
  std::string name;
  std::vector<Entry> entries;
  std::vector<Question> questions;

  std::vector<std::string> families() const;  // in order of the alphabet
  std::vector<std::string> texts() const;     // what an encoder is asked for, each once: of the entries, of the questions
};

// memories.jsonl and questions.jsonl in `folder`. Both throw std::runtime_error.
Task read_conversations(const std::filesystem::path& folder);
// Find a noun of WordNet by its definition; see the function for what is stored and what is asked.
Task read_definitions(const std::filesystem::path& wordnet);

// {"text": .., "context": ..}
std::string make_payload(const std::string& text, const std::string& context);

}  // namespace fractal::quality

#endif
