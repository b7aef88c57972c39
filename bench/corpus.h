// Memories made from a fixed seed: about 1 KB of words with the frequencies of a language (Zipf), a unit vector
// of 384 dimensions, and a database in a folder that goes when it goes.
#ifndef FRACTAL_BENCH_CORPUS_H
#define FRACTAL_BENCH_CORPUS_H

#include <fractal/fractal_memory.h>

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace fractal::bench {

class Corpus {
 public:
  explicit Corpus(std::uint64_t seed);

  // The next one, at coordinate {group, running number}.
  Memory next(double group);
  // So many different words, by rank: 0 is the most frequent.
  const std::string& word(std::size_t rank) const { return words_[rank]; }
  std::string text(std::size_t bytes);

 private:
  std::mt19937_64 random_;
  std::vector<std::string> words_;
  std::discrete_distribution<std::size_t> frequency_;
  double number_ = 0;
};

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace fractal::bench

#endif
