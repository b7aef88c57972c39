// Invariant: with batch_texts = 1 a vector depends on its text, the model, the vocabulary and the library alone.
#include <fractal/onnx_embedder.h>

#include "session.h"
#include "vocabulary.h"

#include "src/embed/sha256.h"
#include "src/error.h"
#include "src/utf8.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal {
namespace {

using Vectors = std::vector<std::vector<float>>;

constexpr std::size_t most_tokens = 256;

Result<void> check_control(const Control& control) {
  if (control.cancel != nullptr && control.cancel->load()) return make_error(Errc::unavailable, "embed: cancelled");
  if (std::chrono::steady_clock::now() >= control.deadline)
    return make_error(Errc::unavailable, "embed: past its deadline");
  return {};
}

Result<void> scale_to_one(std::vector<float>& vector) {
  double squares = 0;
  for (const float x : vector) squares += double{x} * x;
  if (!std::isfinite(squares) || squares == 0)
    return make_error(Errc::corruption, "the model answers with a vector that is 0 or not finite");
  const double length = std::sqrt(squares);
  for (float& x : vector) x = static_cast<float>(x / length);
  return {};
}

class OnnxEmbedder final : public Embedder {
 public:
  OnnxEmbedder(OnnxEmbedderOptions options, EmbedderIdentity identity, onnx::Vocabulary vocabulary,
               std::unique_ptr<onnx::Session> session)
      : options_(std::move(options)),
        identity_(std::move(identity)),
        vocabulary_(std::move(vocabulary)),
        session_(std::move(session)) {}

  const EmbedderIdentity& identity() const noexcept override { return identity_; }
  double alpha() const noexcept override { return options_.alpha; }
  Result<Vectors> embed(std::span<const std::string_view> texts, const Control& control) const override;

 private:
  struct Tokenized {
    std::size_t place = 0;
    std::vector<std::int64_t> tokens{};
  };
  Result<Vectors> run(std::span<const Tokenized> batch) const;

  OnnxEmbedderOptions options_;
  EmbedderIdentity identity_;
  onnx::Vocabulary vocabulary_;
  std::unique_ptr<onnx::Session> session_;
};

Result<Vectors> OnnxEmbedder::embed(std::span<const std::string_view> texts, const Control& control) const {
  std::vector<Tokenized> known;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i % 64 == 0) FRACTAL_TRY(check_control(control));
    if (!valid_utf8(texts[i])) return make_error(Errc::invalid_argument, "embed: text {} is not valid UTF-8", i);
    auto tokens = vocabulary_.tokens(texts[i], most_tokens);
    if (!tokens.empty()) known.push_back({i, std::move(tokens)});
  }
  // Texts of like length share a run, so that little is padded.
  if (options_.batch_texts > 1)
    std::stable_sort(known.begin(), known.end(),
                     [](const Tokenized& a, const Tokenized& b) { return a.tokens.size() < b.tokens.size(); });
  Vectors vectors(texts.size());
  for (std::size_t first = 0; first < known.size(); first += options_.batch_texts) {
    FRACTAL_TRY(check_control(control));
    const auto batch = std::span(known).subspan(first, std::min(options_.batch_texts, known.size() - first));
    FRACTAL_TRY_INTO(Vectors part, run(batch));
    for (std::size_t i = 0; i < batch.size(); ++i) vectors[batch[i].place] = std::move(part[i]);
  }
  return vectors;
}

Result<Vectors> OnnxEmbedder::run(std::span<const Tokenized> batch) const {
  onnx::Tokens tokens{.texts = batch.size()};
  for (const Tokenized& text : batch) tokens.length = std::max(tokens.length, text.tokens.size());
  tokens.ids.assign(tokens.texts * tokens.length, vocabulary_.padding());
  tokens.mask.assign(tokens.texts * tokens.length, 0);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto row = static_cast<std::ptrdiff_t>(i * tokens.length);
    std::copy(batch[i].tokens.begin(), batch[i].tokens.end(), tokens.ids.begin() + row);
    std::fill_n(tokens.mask.begin() + row, batch[i].tokens.size(), 1);
  }
  FRACTAL_TRY_INTO(Vectors vectors, session_->run(std::move(tokens)));
  for (auto& vector : vectors) FRACTAL_TRY(scale_to_one(vector));
  return vectors;
}

Error bad_option(std::string_view option, std::string_view problem) {
  return make_error(Errc::invalid_argument, "OnnxEmbedderOptions::{}: {}", option, problem);
}

Result<std::string> digest_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256 digest;
  std::vector<char> block(1u << 20);
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    digest.add({reinterpret_cast<const std::uint8_t*>(block.data()), static_cast<std::size_t>(file.gcount())});
  }
  if (!file.eof()) return make_error(Errc::io, "{}: not to be read", path);
  return to_hex(digest.digest());
}

}  // namespace

Result<std::shared_ptr<Embedder>> open_onnx_embedder(OnnxEmbedderOptions options) {
  if (options.model.empty()) return bad_option("model", "is empty");
  if (options.vocabulary.empty()) return bad_option("vocabulary", "is empty");
  if (options.threads > 1'024) return bad_option("threads", "0 to 1,024");
  if (options.batch_texts == 0 || options.batch_texts > 4'096) return bad_option("batch_texts", "1 to 4,096");
  if (!(options.alpha >= 0 && options.alpha <= 1)) return bad_option("alpha", "0 to 1");
  FRACTAL_TRY_INTO(auto session, onnx::Session::open(options.library, options.model, options.threads));
  FRACTAL_TRY_INTO(auto vocabulary, onnx::Vocabulary::open(options.vocabulary));
  FRACTAL_TRY_INTO(std::string digest, digest_of(options.model));
  EmbedderIdentity identity{"onnx:" + std::filesystem::path(options.model).filename().string(), session->dimension(),
                            std::move(digest)};
  if (const auto checked = EmbedderIdentity::parse(identity.to_string()); !checked)
    return within(checked.error(), "{}", options.model);
  auto embedder = std::make_shared<OnnxEmbedder>(std::move(options), std::move(identity), std::move(vocabulary),
                                                 std::move(session));
  // Does the vocabulary fit the model? One text shows it.
  const std::string_view probe = "a";
  if (const auto tried = embedder->embed({&probe, 1}, {}); !tried) return tried.error();
  return std::shared_ptr<Embedder>(std::move(embedder));
}

}  // namespace fractal
