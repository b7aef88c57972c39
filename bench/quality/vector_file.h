// Vectors of a task's texts that were made beforehand; corpus/make_minilm_vectors.py writes and explains the file.
#ifndef FRACTAL_BENCH_QUALITY_VECTOR_FILE_H
#define FRACTAL_BENCH_QUALITY_VECTOR_FILE_H

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fractal::quality {

class VectorFile {
 public:
  // Throws std::runtime_error if the file is missing, damaged or made from other texts.
  VectorFile(const std::filesystem::path& file, const std::vector<std::string>& texts);

  std::size_t dimension() const { return dimension_; }
  // Throws if the text is none of them.
  std::vector<float> at(std::string_view text) const;

 private:
  std::size_t dimension_ = 0;
  std::string bytes_;
  std::unordered_map<std::string, std::size_t> rows_;
};

}  // namespace fractal::quality

#endif
