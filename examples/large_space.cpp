// A space that is large enough for a graph: searches compare a small part of its vectors, say so, and can be told
// how good they have to be. Here "large" is 2,000 vectors, so that the example is quick; the default is 32,768.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <exception>
#include <random>
#include <vector>

namespace {

constexpr std::size_t memories = 3000, dimension = 64, topics = 40;

// Stands for a program's own embeddings: vectors around topics.
std::vector<float> embedding(std::mt19937& random, std::size_t topic) {
  std::mt19937 of_topic(static_cast<unsigned>(topic));
  std::normal_distribution<float> normal, centre;
  std::vector<float> vector(dimension);
  for (float& x : vector) x = centre(of_topic) + 0.6F * normal(random);
  return vector;
}

}  // namespace

int main() try {
  fractal::Options options{.path = "large.db", .embedder = nullptr};
  options.index.graph_from = 2000;
  options.index.background = false;  // by default a thread of low priority builds the graph
  auto memory = fractal::FractalMemory::open(options).value();

  std::mt19937 random(1);
  fractal::Batch batch;
  for (std::size_t i = 0; i < memories; ++i) {
    batch.store({.coordinate = {static_cast<double>(i)},
                 .payload = fmt::format(R"({{"topic": {}}})", i % topics),
                 .embedding = embedding(random, i % topics)});
  }
  memory.apply(batch).value();

  const auto question = embedding(random, 7);
  fmt::print("before:   {}\n", memory.search(question).value().plan);
  memory.maintain().value();
  const auto found = memory.search(question, {.top_k = 5, .recall = 0.95}).value();
  fmt::print("after:    {}{}\n", found.plan, found.exact ? "" : ", not proven exact");
  const auto exact = memory.search(question, {.top_k = 5, .exact = true}).value();
  fmt::print("exact:    {}\n", exact.plan);

  // A filter never makes the answer short, whatever the plan.
  const auto filter = fractal::Filter::eq("topic", 31);
  const auto filtered = memory.search(question, {.top_k = 100, .filter = filter, .payloads = false}).value();
  fmt::print("filtered: {} hits of {} that match\n", filtered.hits.size(), filtered.matched);

  // Where memory is short, walks can do with one bit a component; answers are compared in float32 all the same.
  options.index.codes = fractal::Codes::bit;
  const auto lean = fractal::FractalMemory::open(options).value();
  lean.maintain().value();
  fmt::print("lean:     {}\n", lean.search(question, {.top_k = 5, .recall = 0.95}).value().plan);

  const auto probe = memory.recall_probe(100, 0.95).value();
  fmt::print("recall of the graph on this data: at least {:.2f} of the nearest ten\n", probe.low);
  return filtered.hits.size() == memories / topics && exact.exact && probe.recall >= 0.95 ? 0 : 1;
} catch (const std::exception& failure) {
  fmt::print(stderr, "{}\n", failure.what());
  return 1;
}
