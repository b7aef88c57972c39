// Invariant: likeness is symmetric and 0..1; a memory is 1 like itself.
#include "src/likeness.h"

#include "src/error.h"
#include "src/kernels.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <utility>

namespace fractal {
namespace {

std::vector<std::string> distinct_words(const Keywords& keywords) {
  std::vector<std::string> words;
  for (const std::string& column : keywords.text) {
    std::istringstream stream(column);
    words.insert(words.end(), std::istream_iterator<std::string>(stream), {});
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

void normalise(std::vector<float>& vector) {
  double square = 0;
  for (const float component : vector) square += static_cast<double>(component) * component;
  const double length = std::sqrt(square);
  if (length == 0) return;
  for (float& component : vector) component = static_cast<float>(component / length);
}

}  // namespace

Result<Likeness> Likeness::make(ReadView& view, const TextFields& text_fields, std::span<const MemoryId> ids) {
  std::vector<MemoryId> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  FRACTAL_TRY_INTO(auto rows, view.fetch(sorted, Columns::all));
  Likeness likeness;
  likeness.entries_.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = std::lower_bound(rows.begin(), rows.end(), ids[i],
                                      [](const Row& candidate, MemoryId id) { return candidate.id < id; });
    if (row == rows.end() || row->id != ids[i]) continue;
    Entry& entry = likeness.entries_[i];
    entry.vector = std::move(row->memory.embedding);
    normalise(entry.vector);
    entry.words = distinct_words(text_fields.keywords(row->memory.payload));
  }
  return likeness;
}

double Likeness::between(std::size_t i, std::size_t j) const {
  const Entry& left = entries_[i];
  const Entry& right = entries_[j];
  if (!left.vector.empty() && left.vector.size() == right.vector.size()) {
    const double cosine = kernels::dot(left.vector.data(), right.vector.data(), left.vector.size());
    return std::clamp((1 + cosine) / 2, 0.0, 1.0);
  }
  std::vector<std::string> shared;
  std::set_intersection(left.words.begin(), left.words.end(), right.words.begin(), right.words.end(),
                        std::back_inserter(shared));
  const std::size_t all = left.words.size() + right.words.size() - shared.size();
  return all == 0 ? 0 : static_cast<double>(shared.size()) / static_cast<double>(all);
}

}  // namespace fractal
