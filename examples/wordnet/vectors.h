// Embeddings for the demo's concepts.
#ifndef EXAMPLES_WORDNET_VECTORS_H
#define EXAMPLES_WORDNET_VECTORS_H

#include <cstdint>
#include <filesystem>
#include <unordered_map>
#include <vector>

// The file described in VECTORS.md: an int8 vector for some of the concepts, by key.
class VectorFile {
 public:
  // Throws std::runtime_error if the file is missing or is not as described.
  explicit VectorFile(const std::filesystem::path& file);

  // Of length 1; empty if the file has none for this key.
  std::vector<float> at(std::uint32_t key) const;
  std::size_t size() const { return rows_.size(); }

 private:
  std::size_t dimension_ = 0;
  std::unordered_map<std::uint32_t, std::size_t> rows_;
  std::vector<signed char> codes_;
};

#endif
