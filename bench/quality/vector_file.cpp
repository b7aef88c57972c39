// Invariant: a file that was opened holds one row for each of the texts, made from just these texts.
#include "vector_file.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace fractal::quality {
namespace {

constexpr std::size_t header_bytes = 20;

std::uint64_t fnv1a(const std::vector<std::string>& texts) {
  std::uint64_t value = 0xCBF29CE484222325;
  const auto add = [&](unsigned char byte) { value = (value ^ byte) * 0x100000001B3; };
  for (const std::string& text : texts) {
    for (const char c : text) add(static_cast<unsigned char>(c));
    add('\n');
  }
  return value;
}

template <class T> T read_at(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

VectorFile::VectorFile(const std::filesystem::path& file, const std::vector<std::string>& texts) {
  std::ifstream in(file, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(in), {});
  if (bytes_.size() < header_bytes || !bytes_.starts_with("FMQV")) {
    throw std::runtime_error(fmt::format("{}: is no file of vectors", file.string()));
  }
  dimension_ = read_at<std::uint32_t>(bytes_, 4);
  const std::size_t count = read_at<std::uint32_t>(bytes_, 8);
  if (count != texts.size() || read_at<std::uint64_t>(bytes_, 12) != fnv1a(texts) ||
      bytes_.size() != header_bytes + count * (sizeof(float) + dimension_)) {
    throw std::runtime_error(fmt::format("{}: was made from other texts; make it again", file.string()));
  }
  for (std::size_t i = 0; i < count; ++i) rows_.emplace(texts[i], i);
}

std::vector<float> VectorFile::at(std::string_view text) const {
  const auto found = rows_.find(std::string(text));
  if (found == rows_.end()) throw std::runtime_error(fmt::format("no vector of: {}", text));
  const std::size_t offset = header_bytes + found->second * (sizeof(float) + dimension_);
  const auto scale = read_at<float>(bytes_, offset);
  std::vector<float> vector(dimension_);
  for (std::size_t i = 0; i < dimension_; ++i) {
    vector[i] = scale * static_cast<float>(static_cast<signed char>(bytes_[offset + sizeof(float) + i]));
  }
  return vector;
}

}  // namespace fractal::quality
