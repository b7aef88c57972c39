// Text to vector without a model: the counts of its character trigrams, hashed into 256 places. Texts with
// the same words or word stems lie near each other; texts that mean the same in other words do not.
#ifndef EXAMPLES_TRIGRAMS_H
#define EXAMPLES_TRIGRAMS_H

#include <cctype>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

inline std::vector<float> trigram_vector(std::string_view text) {
  std::string letters = " ";
  for (unsigned char c : text) {
    if (std::isalnum(c))
      letters += static_cast<char>(std::tolower(c));
    else if (letters.back() != ' ')
      letters += ' ';
  }
  if (letters.back() != ' ') letters += ' ';

  std::vector<float> vector(256);
  for (std::size_t i = 0; i + 3 <= letters.size(); ++i) {
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (std::size_t j = i; j < i + 3; ++j) hash = (hash ^ static_cast<unsigned char>(letters[j])) * 16777619u;
    vector[hash >> 24] += 1;
  }
  double squares = 0;
  for (float& count : vector) {
    count = std::sqrt(count);  // the tenth "the" says less than the first
    squares += static_cast<double>(count) * count;
  }
  if (squares > 0)
    for (float& count : vector) count /= static_cast<float>(std::sqrt(squares));
  return vector;
}

#endif
