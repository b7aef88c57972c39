// Invariant: what leaves a callable's embedder has the promised shape, whatever the callable gave.
#include <fractal/embedder.h>

#include "src/error.h"
#include "src/utf8.h"
#include "src/validate.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t longest_name = 100, longest_digest = 64;

bool is_hexadecimal(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_blank_or_control(char c) noexcept { return (static_cast<unsigned char>(c) <= ' ') || c == 0x7F; }

Result<void> check_identity(const EmbedderIdentity& identity) {
  const std::string& name = identity.name;
  if (name.empty() || name.size() > longest_name || !valid_text(name) ||
      std::any_of(name.begin(), name.end(), is_blank_or_control)) {
    return make_error(Errc::invalid_argument,
                      "embedder identity: name \"{}\" is not 1 to {} bytes of UTF-8 without blanks", excerpt(name),
                      longest_name);
  }
  if (identity.dimension == 0 || identity.dimension > limits::dimension) {
    return make_error(Errc::invalid_argument, "embedder identity: dimension {} is not 1 to {}", identity.dimension,
                      limits::dimension);
  }
  const std::string& digest = identity.digest;
  if (digest.size() > longest_digest || !std::all_of(digest.begin(), digest.end(), is_hexadecimal)) {
    return make_error(Errc::invalid_argument, "embedder identity: digest \"{}\" is not at most {} hexadecimal digits",
                      excerpt(digest), longest_digest);
  }
  return {};
}

class FunctionEmbedder final : public Embedder {
 public:
  FunctionEmbedder(EmbedderIdentity identity, EmbedFunction function, double alpha)
      : identity_(std::move(identity)), function_(std::move(function)), alpha_(alpha) {}

  const EmbedderIdentity& identity() const noexcept override { return identity_; }
  double alpha() const noexcept override { return alpha_; }

  Result<std::vector<std::vector<float>>> embed(std::span<const std::string_view> texts,
                                                const Control& control) const override {
    if (texts.empty()) return std::vector<std::vector<float>>{};
    FRACTAL_TRY_INTO(std::vector<std::vector<float>> vectors, function_(texts, control));
    FRACTAL_TRY(check_vectors(vectors, texts.size(), identity_));
    return vectors;
  }

 private:
  EmbedderIdentity identity_;
  EmbedFunction function_;
  double alpha_;
};

}  // namespace

std::string EmbedderIdentity::to_string() const {
  return fmt::format("{} {}{}{}", name, dimension, digest.empty() ? "" : " ", digest);
}

Result<EmbedderIdentity> EmbedderIdentity::parse(std::string_view text) {
  const auto refused = [&] {
    return make_error(Errc::invalid_argument, "embedder identity \"{}\" is not \"name dimension digest\"",
                      excerpt(text));
  };
  const std::size_t first = text.find(' ');
  if (first == std::string_view::npos) return refused();
  const std::size_t second = std::min(text.find(' ', first + 1), text.size());
  EmbedderIdentity identity{.name = std::string(text.substr(0, first))};
  const std::string_view number = text.substr(first + 1, second - first - 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), identity.dimension);
  if (error != std::errc() || end != number.data() + number.size() || number.starts_with('0')) return refused();
  if (second != text.size()) {
    identity.digest = text.substr(second + 1);
    if (identity.digest.empty()) return refused();
  }
  FRACTAL_TRY(check_identity(identity));
  return identity;
}

Result<std::shared_ptr<Embedder>> make_embedder(EmbedderIdentity identity, EmbedFunction function, double alpha) {
  FRACTAL_TRY(check_identity(identity));
  if (!function) return make_error(Errc::invalid_argument, "make_embedder: the function is empty");
  if (!(alpha >= 0 && alpha <= 1)) {
    return make_error(Errc::invalid_argument, "make_embedder: alpha {} is not 0 to 1", alpha);
  }
  return std::shared_ptr<Embedder>(std::make_shared<FunctionEmbedder>(std::move(identity), std::move(function), alpha));
}

}  // namespace fractal
