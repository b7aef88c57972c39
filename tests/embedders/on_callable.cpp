// make_embedder() around a callable that counts letters.
#include "contract.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

using fractal::Control;
using fractal::Embedder;
using fractal::EmbedderIdentity;
using fractal::Errc;
using fractal::make_embedder;
using fractal::Result;

namespace {

using Vectors = std::vector<std::vector<float>>;

Result<Vectors> count_letters(std::span<const std::string_view> texts, const Control& control) {
  Vectors vectors;
  for (const std::string_view text : texts) {
    if ((control.cancel != nullptr && control.cancel->load()) || std::chrono::steady_clock::now() >= control.deadline)
      return fractal::Error{fractal::Errc::unavailable, "count_letters: no time left"};
    std::vector<float> vector(32);
    for (const char c : text)
      if (static_cast<unsigned char>(c) > ' ') vector[static_cast<unsigned char>(c) % 32] += 1;
    bool nothing = true;
    for (const float x : vector) nothing = nothing && x == 0;
    if (nothing) vector.clear();
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

// An embedder whose callable answers so, whatever it is asked.
Result<Vectors> asked_of(Result<Vectors> answer) {
  const auto embedder =
      make_embedder({.name = "fixed", .dimension = 2}, [answer](auto, const Control&) { return answer; });
  const std::vector<std::string_view> texts{"one", "two"};
  return embedder.value()->embed(texts, {});
}

}  // namespace

embedder_contract::Subject embedder_contract::make_subject() {
  return {.embedder = make_embedder({.name = "letters", .dimension = 32}, count_letters, 0.5).value(),
          .name = "letters",
          .has_digest = false,
          .unit_length = false,
          .has_meaning = false};
}

TEST_CASE("an identity or alpha that cannot be is refused") {
  const auto code = [](EmbedderIdentity identity, double alpha) {
    return make_embedder(std::move(identity), count_letters, alpha).error().code;
  };
  CHECK(code({.name = "", .dimension = 1}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "two words", .dimension = 1}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = std::string(101, 'x'), .dimension = 1}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "x", .dimension = 0}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "x", .dimension = fractal::limits::dimension + 1}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "x", .dimension = 1, .digest = "no number"}, 0.5) == Errc::invalid_argument);
  CHECK(code({.name = "x", .dimension = 1}, 1.5) == Errc::invalid_argument);
  CHECK(code({.name = "x", .dimension = 1}, std::numeric_limits<double>::quiet_NaN()) == Errc::invalid_argument);
  CHECK(make_embedder({.name = "x", .dimension = 1}, nullptr).error().code == Errc::invalid_argument);
  for (const char* text : {"", "x", "x 0", "x 1 zz", "x 1 ab ", "x  1", " x 1", "x one", "x -1", "x 1 ab cd"}) {
    CAPTURE(std::string(text));
    CHECK(EmbedderIdentity::parse(text).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("what a callable gives is checked, and its error passed on") {
  CHECK(asked_of(Vectors{{1, 0}, {}}).value() == Vectors{{1, 0}, {}});
  CHECK(asked_of(Vectors{{1, 0}}).error().code == Errc::corruption);
  CHECK(asked_of(Vectors{{1, 0}, {1, 0, 0}}).error().code == Errc::corruption);
  CHECK(asked_of(Vectors{{1, 0}, {std::numeric_limits<float>::infinity(), 0}}).error().code == Errc::corruption);
  CHECK(asked_of(Vectors{{1, 0}, {0, 0}}).error().code == Errc::corruption);
  CHECK(asked_of(fractal::Error{Errc::io, "no paper"}).error() == fractal::Error{Errc::io, "no paper"});
}
