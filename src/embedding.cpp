// Invariant: a vector that leaves here has the embedder's dimension and length 1, or is empty; vectors of two
// identities never meet in a space.
#include "src/embedding.h"

#include "src/error.h"
#include "src/kernels.h"
#include "src/validate.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t texts_per_call = 256;

void add_unit(std::vector<float>& sum, const std::vector<float>& vector, double weight) {
  if (vector.empty()) return;
  if (sum.empty()) sum.resize(vector.size());
  const double length = std::sqrt(kernels::dot(vector.data(), vector.data(), vector.size()));
  const double factor = weight / length;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(factor * vector[i]);
}

// Parts that cancel out leave nothing to search by.
void make_unit(std::vector<float>& vector) {
  const double square = kernels::dot(vector.data(), vector.data(), vector.size());
  if (!(square > 1e-12)) {
    vector.clear();
    return;
  }
  const double factor = 1 / std::sqrt(square);
  for (float& component : vector) component = static_cast<float>(factor * component);
}

}  // namespace

Embedders::Embedders(EmbedderPtr preferred) {
  if (preferred) embedders_.push_back(std::move(preferred));
}

Result<EmbedderPtr> Embedders::of(const SpaceRecord& space) const {
  const std::lock_guard lock(mutex_);
  if (embedders_.empty()) return EmbedderPtr{};
  if (space.vectors == 0) return embedders_.back();
  if (space.embedder.empty()) return EmbedderPtr{};
  for (const EmbedderPtr& embedder : embedders_) {
    if (embedder->identity().to_string() == space.embedder) return embedder;
  }
  return made_by_another(space);
}

EmbedderPtr Embedders::preferred() const {
  const std::lock_guard lock(mutex_);
  return embedders_.empty() ? EmbedderPtr{} : embedders_.back();
}

bool Embedders::add(EmbedderPtr embedder) {
  const std::lock_guard lock(mutex_);
  const bool there = std::any_of(embedders_.begin(), embedders_.end(),
                                 [&](const EmbedderPtr& each) { return each->identity() == embedder->identity(); });
  if (!there) embedders_.insert(embedders_.begin(), std::move(embedder));
  return !there;
}

void Embedders::remove(const Embedder& embedder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(embedders_, [&](const EmbedderPtr& each) { return each.get() == &embedder; });
}

void Embedders::prefer(EmbedderPtr embedder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(embedders_, [&](const EmbedderPtr& each) { return each->identity() == embedder->identity(); });
  embedders_.push_back(std::move(embedder));
}

Error made_by_another(const SpaceRecord& space) {
  return make_error(Errc::unsupported,
                    "the vectors of space {}/{} were made by {}: open with that embedder, or reembed() the space",
                    space.space.tenant, space.space.name,
                    space.embedder.empty() ? "the caller" : "the embedder \"" + space.embedder + '"');
}

Result<std::vector<std::vector<float>>> embed_texts(const Embedder& embedder, std::span<const std::string_view> texts,
                                                    const Control& control) {
  std::vector<std::vector<float>> vectors;
  vectors.reserve(texts.size());
  while (vectors.size() < texts.size()) {
    FRACTAL_TRY(check_control(control, "embed"));
    const auto piece = texts.subspan(vectors.size(), std::min(texts.size() - vectors.size(), texts_per_call));
    FRACTAL_TRY_INTO(auto more, embedder.embed(piece, control));
    FRACTAL_TRY(check_vectors(more, piece.size(), embedder.identity()));
    std::move(more.begin(), more.end(), std::back_inserter(vectors));
  }
  return vectors;
}

Result<std::vector<std::vector<float>>> embed_payloads(const Embedder& embedder, const TextFields& fields,
                                                       std::span<const std::string_view> payloads,
                                                       const Control& control) {
  std::vector<std::vector<FieldText>> parts;
  parts.reserve(payloads.size());
  for (const std::string_view payload : payloads) parts.push_back(fields.texts(payload));
  std::vector<std::string_view> texts;
  for (const auto& each : parts) {
    for (const FieldText& part : each) texts.push_back(part.text);
  }
  FRACTAL_TRY_INTO(const auto vectors, embed_texts(embedder, texts, control));
  std::vector<std::vector<float>> sums(payloads.size());
  auto next = vectors.begin();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (const FieldText& part : parts[i]) add_unit(sums[i], *next++, part.weight);
    if (!sums[i].empty()) make_unit(sums[i]);
  }
  return sums;
}

Result<void> embed_missing(PayloadVectors& embedded, const TextFields& fields, const Control& control) {
  const auto payloads = std::exchange(embedded.missing, {});
  const std::vector<std::string_view> views(payloads.begin(), payloads.end());
  FRACTAL_TRY_INTO(auto vectors, embed_payloads(*embedded.embedder, fields, views, control));
  for (std::size_t i = 0; i < payloads.size(); ++i) embedded.vectors[payloads[i]] = std::move(vectors[i]);
  return {};
}

}  // namespace fractal
