// The embedders of a database, and the vectors of texts and payloads by them.
#ifndef FRACTAL_SRC_EMBEDDING_H
#define FRACTAL_SRC_EMBEDDING_H

#include <fractal/backend.h>
#include <fractal/embedder.h>

#include "src/keywords.h"

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fractal {

using EmbedderPtr = std::shared_ptr<const Embedder>;

// The embedder of the options, and those that spaces were moved to. Thread-safe.
class Embedders {
 public:
  explicit Embedders(EmbedderPtr preferred);

  // Whose vectors may stand beside those of the space. Null: texts are not embedded there, because there is no
  // embedder or the vectors are the caller's. unsupported: an embedder that is not here made them.
  Result<EmbedderPtr> of(const SpaceRecord& space) const;
  EmbedderPtr preferred() const;
  // For spaces that have its vectors. False if it is there.
  bool add(EmbedderPtr embedder);
  void remove(const Embedder& embedder);
  // The same; for spaces without vectors it comes before the others.
  void prefer(EmbedderPtr embedder);

 private:
  mutable std::mutex mutex_;
  std::vector<EmbedderPtr> embedders_;  // the preferred one last
};

// "the vectors of space a/b were made by X, ...": what every refusal says.
Error made_by_another(const SpaceRecord& space);

// Embedder::embed() in pieces, its answer checked: the size is right, each vector empty or finite and not 0.
Result<std::vector<std::vector<float>>> embed_texts(const Embedder& embedder, std::span<const std::string_view> texts,
                                                    const Control& control);

// The vectors of payloads: for each the weighted sum of its fields' vectors, each of length 1, brought to length 1.
// Empty for a payload without a text that says something.
Result<std::vector<std::vector<float>>> embed_payloads(const Embedder& embedder, const TextFields& fields,
                                                       std::span<const std::string_view> payloads,
                                                       const Control& control);

// Vectors that a batch may need, made before its transaction begins.
struct PayloadVectors {
  EmbedderPtr embedder{};
  std::string identity{};  // of the embedder; empty: there is none
  std::unordered_map<std::string, std::vector<float>> vectors{};
  std::vector<std::string> missing{};  // payloads that the transaction found it needs, too
};

// Makes the vectors that are missing. A transaction that finds more of them is undone, and run again at most so often.
Result<void> embed_missing(PayloadVectors& embedded, const TextFields& fields, const Control& control);
inline constexpr int most_embedding_rounds = 8;

}  // namespace fractal

#endif
