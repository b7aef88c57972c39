// Invariant: a VectorFile that was made has exactly one whole row for each of its keys.
#include "vectors.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>

namespace {

std::uint32_t little_endian(std::span<const char, 4> bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

VectorFile::VectorFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto number_at = [&](std::size_t place) {
    return little_endian(std::span<const char, 4>(bytes.data() + place, 4));
  };
  constexpr std::size_t header = 16;
  if (bytes.size() < header || !bytes.starts_with("FMDEMOV1"))
    throw std::runtime_error(fmt::format("{}: not a file of vectors", file.string()));
  const std::size_t count = number_at(8);
  dimension_ = number_at(12);
  if (bytes.size() != header + count * (4 + dimension_))
    throw std::runtime_error(fmt::format("{}: {} bytes do not fit {} vectors of {} components", file.string(),
                                         bytes.size(), count, dimension_));
  for (std::size_t i = 0; i < count; ++i) rows_.emplace(number_at(header + 4 * i), i);
  if (rows_.size() != count) throw std::runtime_error(fmt::format("{}: a key stands twice", file.string()));
  codes_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header + 4 * count), bytes.end());
}

std::vector<float> VectorFile::at(std::uint32_t key) const {
  const auto row = rows_.find(key);
  if (row == rows_.end()) return {};
  const std::span codes(codes_.data() + row->second * dimension_, dimension_);
  double squares = 0;
  for (const int code : codes) squares += code * code;
  std::vector<float> vector;
  vector.reserve(dimension_);
  for (const int code : codes) vector.push_back(static_cast<float>(code / std::sqrt(squares)));
  return vector;
}
