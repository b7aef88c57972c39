// Invariant: all arms of a task see the same memories, questions and filters, and their answers are exact.
#include "arms.h"

#include "fts5_baseline.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <stdexcept>

namespace fractal::quality {
namespace {

constexpr double context_weight = 0.5;

void normalise(std::vector<float>& vector) {
  double square = 0;
  for (const float component : vector) square += static_cast<double>(component) * component;
  const double length = std::sqrt(square);
  for (float& component : vector) component = static_cast<float>(component / length);
}

std::vector<float> memory_vector(const Entry& entry, const VectorFile& vectors) {
  std::vector<float> sum = vectors.at(entry.text);
  normalise(sum);
  if (entry.context.empty()) return sum;
  std::vector<float> context = vectors.at(entry.context);
  normalise(context);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(context_weight * context[i]);
  normalise(sum);
  return sum;
}

FractalMemory filled(const Task& task, std::shared_ptr<Embedder> embedder, const VectorFile* vectors) {
  Options options;
  options.embedder = std::move(embedder);
  options.audit.writes = false;
  const FractalMemory memory = FractalMemory::open(std::move(options)).value();
  Batch batch;
  for (const Entry& entry : task.entries) {
    Memory one = entry.memory;
    if (vectors != nullptr) one.embedding = memory_vector(entry, *vectors);
    batch.store(std::move(one));
  }
  memory.apply(batch).value();
  return memory;
}

std::vector<Coordinate> answers(const FractalMemory& memory, const Query& query, const SearchOptions& options) {
  const SearchResult found = memory.search(query, options).value();
  if (!found.exact) throw std::runtime_error("the answer is not exact: " + found.plan);
  std::vector<Coordinate> coordinates;
  for (const Hit& hit : found.hits) coordinates.push_back(hit.memory.coordinate);
  return coordinates;
}

using Ask = std::function<std::vector<Coordinate>(const Question&)>;

Arm run(const Task& task, std::string name, const Ask& ask) {
  Arm arm{.name = std::move(name)};
  for (const Question& question : task.questions) {
    arm.means.add(question.family, measure(ask(question), question.evidence));
  }
  return arm;
}

// `query` makes the library's query of a question.
std::vector<Arm> run_modes(const Task& task, const std::string& name, const FractalMemory& memory,
                           const std::function<Query(const Question&)>& query) {
  const auto with = [&](SearchOptions options) -> Ask {
    return [&, options](const Question& question) {
      SearchOptions filtered = options;
      filtered.filter = question.filter;
      return answers(memory, query(question), filtered);
    };
  };
  std::vector<Arm> arms;
  arms.push_back(run(task, name + " vector", with({.top_k = depth, .mode = SearchMode::vector})));
  for (int tenth = 0; tenth <= 10; ++tenth) {
    arms.push_back(run(task, fmt::format("{} alpha {}.{}", name, tenth / 10, tenth % 10),
                       with({.top_k = depth, .mode = SearchMode::hybrid, .alpha = tenth / 10.0})));
  }
  arms.push_back(run(task, name + " rrf", with({.top_k = depth, .mode = SearchMode::hybrid, .fusion = Fusion::rrf})));
  return arms;
}

}  // namespace

std::vector<Arm> run_words(const Task& task) {
  const FractalMemory memory = filled(task, nullptr, nullptr);
  const Fts5Baseline fts5(task);
  const Ask ask_fts5 = [&](const Question& question) {
    std::set<Coordinate> allowed;
    if (!question.filter.empty()) {
      for (const Memory& one : memory.list({.limit = limits::page, .filter = question.filter}).value().memories) {
        allowed.insert(one.coordinate);
      }
    }
    std::vector<Coordinate> coordinates;
    for (const std::size_t index : fts5.search(question.text)) {
      const Coordinate& coordinate = task.entries[index].memory.coordinate;
      if (question.filter.empty() || allowed.contains(coordinate)) coordinates.push_back(coordinate);
      if (coordinates.size() == depth) break;
    }
    return coordinates;
  };
  const Ask ask_words = [&](const Question& question) {
    return answers(memory, {.text = question.text},
                   {.top_k = depth, .filter = question.filter, .mode = SearchMode::keyword});
  };
  std::vector<Arm> arms;
  arms.push_back(run(task, "fts5 bm25", ask_fts5));
  arms.push_back(run(task, "keyword", ask_words));
  return arms;
}

std::vector<Arm> run_embedder(const Task& task, const std::string& name, std::shared_ptr<Embedder> embedder) {
  const FractalMemory memory = filled(task, std::move(embedder), nullptr);
  return run_modes(task, name, memory, [](const Question& question) { return Query{.text = question.text}; });
}

std::vector<Arm> run_vectors(const Task& task, const std::string& name, const VectorFile& vectors) {
  const FractalMemory memory = filled(task, nullptr, &vectors);
  std::vector<float> vector;
  return run_modes(task, name, memory, [&](const Question& question) {
    vector = vectors.at(question.text);
    return Query{.text = question.text, .vector = vector};
  });
}

}  // namespace fractal::quality
