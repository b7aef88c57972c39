// One model by two ways: the ONNX embedder's tokenizer, pooling and length against the reference behind the server.
#include <fractal/http_embedder.h>
#include <fractal/onnx_embedder.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "setting.h"

TEST_CASE("ONNX and the reference agree") {
  std::string long_text;
  for (int i = 0; i < 400; ++i) long_text += "tea and bicycles, number " + std::to_string(i) + "; ";
  const std::vector<std::string_view> texts{"a refrigerator keeps food cold",
                                            "Crème brûlée, ÄÖÜ: façade & naïveté!",
                                            "don't re-use e-mail@example.org #42 (50%) $3.99",
                                            "unbelievably antidisestablishmentarianism",
                                            "tabs\tand\nlines\r\nand  blanks",
                                            "冷蔵庫 keeps food cold",
                                            "еда в холодильнике",
                                            "zero\u200bwidth soft\u00adhyphen no\u00a0break",
                                            "emoji 🧊 and ∑ signs ± ½",
                                            "\"quoted\" “curly” — dash… ¿qué?",
                                            "x",
                                            long_text};
  const auto http =
      fractal::open_http_embedder({.url = setting::server().url("ok", "same"), .model = "minilm"}).value();
  const auto onnx =
      fractal::open_onnx_embedder(
          {.model = setting::onnx_model(), .vocabulary = setting::vocabulary(), .library = setting::onnx_library()})
          .value();
  const auto expected = http->embed(texts, {}).value();
  const auto vectors = onnx->embed(texts, {}).value();
  REQUIRE(vectors.size() == expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CAPTURE(std::string(texts[i].substr(0, 60)));
    REQUIRE(vectors[i].size() == expected[i].size());
    float largest = 0;
    for (std::size_t k = 0; k < vectors[i].size(); ++k)
      largest = std::max(largest, std::abs(vectors[i][k] - expected[i][k]));
    CHECK(largest < 1e-5f);
  }
}
