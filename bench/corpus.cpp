#include "corpus.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>

namespace fractal::bench {
namespace {

constexpr std::size_t vocabulary = 20'000;
constexpr std::size_t payload_bytes = 1000;
constexpr std::size_t dimension = 384;

// "ka", "kale", "kalemo": syllables, so that words have the lengths of words.
std::string spell(std::size_t number) {
  static constexpr const char* syllables[] = {"ka",  "le",  "mo", "ri", "tu",  "sen",
                                              "dar", "vil", "po", "ne", "gra", "hi"};
  std::string word;
  do {
    word += syllables[number % 12];
    number /= 12;
  } while (number != 0);
  return word;
}

std::vector<double> zipf(std::size_t count) {
  std::vector<double> weights(count);
  for (std::size_t i = 0; i < count; ++i) weights[i] = 1.0 / static_cast<double>(i + 1);
  return weights;
}

}  // namespace

Corpus::Corpus(std::uint64_t seed) : random_(seed) {
  for (std::size_t i = 0; i < vocabulary; ++i) words_.push_back(spell(i));
  const auto weights = zipf(vocabulary);
  frequency_ = std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
}

std::string Corpus::text(std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    text += words_[frequency_(random_)];
    text += ' ';
  }
  return text;
}

Memory Corpus::next(double group) {
  Memory memory;
  memory.coordinate = {group, ++number_};
  memory.payload =
      R"({"text": ")" + text(payload_bytes) + R"(", "year": )" + std::to_string(2000 + random_() % 30) + "}";
  std::normal_distribution<float> normal;
  double square = 0;
  memory.embedding.resize(dimension);
  for (float& component : memory.embedding) {
    component = normal(random_);
    square += static_cast<double>(component) * component;
  }
  for (float& component : memory.embedding) component = static_cast<float>(component / std::sqrt(square));
  return memory;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "fractal_bench_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace fractal::bench
