// The quality bench: how often search() finds the memories that answer a question, by each mode, embedder and weight.
// Invariant: what is printed, written and compared is the same figures, in the same order at each run.
#include "arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace fractal::quality;

constexpr const char* usage_text = R"(usage: quality [--every N] [--check FILE] [--write FILE] [--brief]
               [--wordnet FOLDER [--wordnet-vectors FILE | --wordnet-texts FILE]]

  --every N          ask each N-th question only
  --check FILE       compare with these figures: 1 if one differs
  --write FILE       add the figures to this file
  --brief            no tables
  --wordnet FOLDER   the second task too, with WordNet's data files from here
  --wordnet-vectors  a sentence encoder's vectors of its texts
  --wordnet-texts    write its texts there, a line each, and stop: make_minilm_vectors.py reads them
)";

struct Arguments {
  std::size_t every = 1;
  std::string check, write, wordnet, wordnet_vectors, wordnet_texts;
  bool brief = false;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    if (name == "--brief") {
      arguments.brief = true;
      continue;
    }
    if (i + 1 == count) throw std::invalid_argument(usage_text);
    const std::string value = values[++i];
    if (name == "--every") {
      arguments.every = std::max(1UL, std::stoul(value));
    } else if (name == "--check") {
      arguments.check = value;
    } else if (name == "--write") {
      arguments.write = value;
    } else if (name == "--wordnet") {
      arguments.wordnet = value;
    } else if (name == "--wordnet-vectors") {
      arguments.wordnet_vectors = value;
    } else if (name == "--wordnet-texts") {
      arguments.wordnet_texts = value;
    } else {
      throw std::invalid_argument(usage_text);
    }
  }
  return arguments;
}

struct Column {
  const char* title;
  double Measures::*value;
};
constexpr std::array<Column, 4> columns = {{{"recall@1", &Measures::recall_1},
                                            {"recall@5", &Measures::recall_5},
                                            {"recall@10", &Measures::recall_10},
                                            {"nDCG@10", &Measures::ndcg_10}}};

void keep_each(Task& task, std::size_t every) {
  std::vector<Question> kept;
  for (std::size_t i = 0; i < task.questions.size(); i += every) kept.push_back(std::move(task.questions[i]));
  task.questions = std::move(kept);
}

std::vector<std::string> families_and_all(const Task& task) {
  std::vector<std::string> families = task.families();
  if (families.size() > 1) families.emplace_back("all");
  return families;
}

void print(const Task& task, const std::vector<Arm>& arms) {
  for (const auto& [title, value] : columns) {
    fmt::print("\n{}: {}, {} memories, {} questions\n{:18}", task.name, title, task.entries.size(),
               task.questions.size(), "");
    for (const std::string& family : families_and_all(task)) fmt::print("{:>12}", family);
    fmt::print("\n");
    for (const Arm& arm : arms) {
      fmt::print("{:18}", arm.name);
      for (const std::string& family : families_and_all(task)) fmt::print("{:12.3f}", arm.means.of(family).*value);
      fmt::print("\n");
    }
  }
}

// "task <tab> every <tab> arm <tab> family <tab> questions <tab> recall@1 ..."
std::vector<std::string> lines(const Task& task, std::size_t every, const std::vector<Arm>& arms) {
  std::vector<std::string> result;
  for (const Arm& arm : arms) {
    for (const std::string& family : families_and_all(task)) {
      std::string line =
          fmt::format("{}\t{}\t{}\t{}\t{}", task.name, every, arm.name, family, arm.means.questions(family));
      for (const auto& column : columns) line += fmt::format("\t{:.4f}", arm.means.of(family).*column.value);
      result.push_back(std::move(line));
    }
  }
  return result;
}

// The number of lines that are not in the file just so.
std::size_t compare(const std::vector<std::string>& figures, const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> expected;
  for (std::string line; std::getline(in, line);) expected.push_back(line);
  std::size_t different = 0;
  for (const std::string& line : figures) {
    if (std::find(expected.begin(), expected.end(), line) != expected.end()) continue;
    ++different;
    fmt::print("not in {}: {}\n", file, line);
  }
  if (figures.empty()) throw std::runtime_error("no figures to compare");
  fmt::print("{} of {} figures as in {}\n", figures.size() - different, figures.size(), file);
  return different;
}

// `texts`: of the whole task, which the file of vectors covers.
std::vector<Arm> run_all(const Task& task, const std::vector<std::string>& texts, const std::string& vector_file) {
  std::vector<Arm> arms = run_words(task);
  const auto add = [&](std::vector<Arm> more) { arms.insert(arms.end(), more.begin(), more.end()); };
  if (auto table = fractal::builtin_embedder()) add(run_embedder(task, "table", table));
  if (!vector_file.empty()) add(run_vectors(task, "minilm", VectorFile(vector_file, texts)));
  return arms;
}

int run(const Arguments& arguments) {
  std::vector<std::string> figures;
  const auto go = [&](Task task, const std::string& vector_file) {
    const std::vector<std::string> texts = task.texts();
    keep_each(task, arguments.every);
    const std::vector<Arm> arms = run_all(task, texts, vector_file);
    if (!arguments.brief) print(task, arms);
    const auto more = lines(task, arguments.every, arms);
    figures.insert(figures.end(), more.begin(), more.end());
  };
  const std::filesystem::path corpus = FRACTAL_QUALITY_CORPUS;
  if (!arguments.wordnet_texts.empty()) {
    std::ofstream out(arguments.wordnet_texts);
    for (const std::string& text : read_definitions(arguments.wordnet).texts()) out << text << '\n';
    return out.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  go(read_conversations(corpus), (corpus / "minilm.bin").string());
  if (!arguments.wordnet.empty()) go(read_definitions(arguments.wordnet), arguments.wordnet_vectors);
  if (!arguments.write.empty()) {
    std::ofstream out(arguments.write, std::ios::app);
    for (const std::string& line : figures) out << line << '\n';
  }
  return arguments.check.empty() || compare(figures, arguments.check) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int count, char** values) {
  try {
    return run(parse(count, values));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
