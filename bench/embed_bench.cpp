// Texts into vectors by the built-in table, beside its floor: adding the rows of as many tokens, from as many places.
#include "floor/sum_rows.h"
#include "timing.h"

#include <fractal/embedder.h>

#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t text_count = 2000;
constexpr std::size_t token_rows = 30'522;
constexpr std::uint32_t distinct_words = 48;

// Sentences of some ten words, common ones more often than rare ones.
std::vector<std::string> sentences(std::size_t words) {
  static constexpr std::array<std::string_view, distinct_words> pool = {
      "the",     "of",       "a",       "is",      "my",        "to",         "we",        "sister",
      "moved",   "Lisbon",   "spring",  "work",    "architect", "tea",        "green",     "likes",
      "meeting", "Thursday", "kitchen", "leaking", "plumber",   "allergic",   "peanuts",   "passport",
      "drawer",  "desk",     "train",   "strike",  "delayed",   "telescopes", "Christmas", "daughter",
      "octopus", "budget",   "holiday", "bridge",  "closed",    "repairs",    "tunnel",    "chess",
      "cousin",  "national", "garden",  "balcony", "tomatoes",  "biography",  "Marie",     "Curie"};
  std::mt19937 random(7);
  std::vector<std::string> texts(text_count);
  for (std::string& text : texts) {
    for (std::size_t i = 0; i < words; ++i) {
      const double x = static_cast<double>(random()) / std::mt19937::max();
      if (!text.empty()) text += ' ';
      text += pool[static_cast<std::size_t>(x * x * 47.99)];
    }
    text += '.';
  }
  return texts;
}

void embed_texts(benchmark::State& state) {
  const auto words = static_cast<std::size_t>(state.range(0));
  const std::vector<std::string> texts = sentences(words);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto embedder = fractal::builtin_embedder();
  if (!embedder) {
    state.SkipWithError("built without a table");
    return;
  }
  std::mt19937 random(7);
  const std::vector<std::int8_t> rows(token_rows * 256, 1);
  std::vector<std::uint32_t> numbers(words + 1);
  for (std::uint32_t& number : numbers) number = static_cast<std::uint32_t>(random() % distinct_words * 600);

  fractal::bench::Pair pair;
  for (auto _ : state) {
    pair = fractal::bench::side_by_side(
        21, [&] { benchmark::DoNotOptimize(embedder->embed(views, {}).value()); },
        [&] {
          for (std::size_t i = 0; i < text_count; ++i) {
            for (std::uint32_t& number : numbers) number = (number + 600) % (distinct_words * 600);
            benchmark::DoNotOptimize(fractal::bench::sum_rows(rows.data(), numbers));
          }
        });
    state.SetIterationTime(pair.job);
  }
  state.counters["texts_a_second"] = text_count / pair.job;
  state.counters["x_floor"] = pair.ratio();
}

}  // namespace

BENCHMARK(embed_texts)->Name("embed")->Arg(10)->Arg(100)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
