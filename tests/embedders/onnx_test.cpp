// The ONNX embedder: its vectors are the reference's, and what is missing, wrong or damaged is named.
#include <fractal/onnx_embedder.h>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "setting.h"
#include "tests/temporary_folder.h"

using fractal::Errc;
using fractal::Error;
using fractal::OnnxEmbedderOptions;
using fractal::open_onnx_embedder;

namespace {

OnnxEmbedderOptions minilm() {
  return {.model = setting::onnx_model(), .vocabulary = setting::vocabulary(), .library = setting::onnx_library()};
}

Error refusal(const OnnxEmbedderOptions& options) {
  const auto opened = open_onnx_embedder(options);
  REQUIRE(!opened.has_value());
  return opened.error();
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);  // both of length 1
}

}  // namespace

TEST_CASE("the identity is the file's name and SHA-256") {
  const auto embedder = open_onnx_embedder(minilm()).value();
  CHECK(embedder->identity().to_string() ==
        "onnx:model.onnx 384 8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6");
}

TEST_CASE("more threads and padded batches give the same vectors") {
  const std::vector<std::string_view> texts{"tea",
                                            "",
                                            "a refrigerator keeps food cold, and so does a cellar",
                                            "The bicycle has a flat tyre",
                                            "fear of being shut in",
                                            "zzz"};
  const auto alone = open_onnx_embedder(minilm()).value()->embed(texts, {}).value();
  for (const std::size_t batch : {2, 3, 100}) {
    auto options = minilm();
    options.batch_texts = batch;
    options.threads = 2;
    const auto together = open_onnx_embedder(options).value()->embed(texts, {}).value();
    REQUIRE(together.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CAPTURE(i);
      REQUIRE(together[i].size() == alone[i].size());
      if (!alone[i].empty()) CHECK(cosine(alone[i], together[i]) > 0.9999);
    }
  }
}

TEST_CASE("what is missing is named") {
  auto options = minilm();
  options.model = "/no/such/model.onnx";
  CHECK(refusal(options).code == Errc::not_found);
  CHECK(holds(refusal(options).message, "/no/such/model.onnx"));
  options = minilm();
  options.vocabulary = "/no/such/vocab.txt";
  CHECK(refusal(options).code == Errc::not_found);
  CHECK(holds(refusal(options).message, "/no/such/vocab.txt"));
  options = minilm();
  options.library = "/no/such/libonnxruntime.so";
  CHECK(refusal(options).code == Errc::not_found);
  CHECK(holds(refusal(options).message, "/no/such/libonnxruntime.so"));
}

TEST_CASE("a library that is another, or none at all") {
  auto options = minilm();
  options.library = setting::vocabulary();
  CHECK(refusal(options).code == Errc::unsupported);
  CHECK(holds(refusal(options).message, "vocab.txt"));
  options.library = setting::file_of("onnxruntime/capi", "libonnxruntime_providers_shared.so");
  CHECK(refusal(options).code == Errc::unsupported);
  CHECK(holds(refusal(options).message, "libonnxruntime_providers_shared.so"));
}

TEST_CASE("models that are damaged or of another kind") {
  const fractal::testing::TemporaryFolder folder;
  auto options = minilm();
  options.model = folder.file("cut.onnx");
  write(options.model, contents(setting::onnx_model()).substr(0, 1'000'000));
  CHECK(refusal(options).code == Errc::corruption);
  CHECK(holds(refusal(options).message, "cut.onnx"));
  write(options.model, "");
  CHECK(!holds(refusal(options).message, "there is no such file"));
  options.model = setting::file_of("onnxruntime/datasets", "sigmoid.onnx");
  CHECK(refusal(options).code == Errc::unsupported);
  CHECK(holds(refusal(options).message, "sigmoid.onnx"));
  std::filesystem::create_symlink(setting::onnx_model(), folder.path() / "two words.onnx");
  options.model = folder.file("two words.onnx");
  CHECK(refusal(options).code == Errc::invalid_argument);
}

TEST_CASE("vocabularies that are damaged or do not fit") {
  const fractal::testing::TemporaryFolder folder;
  auto options = minilm();
  options.vocabulary = folder.file("vocab.txt");
  for (const std::string& text :
       {std::string(), std::string("[CLS]\n[SEP]\n[UNK]\n"), std::string(2'000, 'x') + "\n"}) {
    write(options.vocabulary, text);
    CHECK(refusal(options).code == Errc::corruption);
    CHECK(holds(refusal(options).message, "vocab.txt"));
  }
  write(options.vocabulary, "[PAD]\n" + std::string(60'000, '\n') + "[UNK]\n[CLS]\n[SEP]\na\n");
  const Error error = refusal(options);
  CHECK(error.code == Errc::corruption);
  CHECK(holds(error.message, "running the model"));
  // Ends of lines as on Windows, and none at the end of the file.
  std::string lines;
  for (const char c : contents(setting::vocabulary())) lines += c == '\n' ? std::string("\r\n") : std::string(1, c);
  write(options.vocabulary, lines.substr(0, lines.size() - 2));
  const std::vector<std::string_view> text{"Crème brûlée tastes of burnt sugar"};
  CHECK(open_onnx_embedder(options).value()->embed(text, {}).value() ==
        open_onnx_embedder(minilm()).value()->embed(text, {}).value());
}

TEST_CASE("options that cannot be are refused, with their name") {
  const auto message = [](auto change) {
    auto options = minilm();
    change(options);
    CHECK(refusal(options).code == Errc::invalid_argument);
    return refusal(options).message;
  };
  CHECK(holds(message([](auto& o) { o.model = ""; }), "model"));
  CHECK(holds(message([](auto& o) { o.vocabulary = ""; }), "vocabulary"));
  CHECK(holds(message([](auto& o) { o.batch_texts = 0; }), "batch_texts"));
  CHECK(holds(message([](auto& o) { o.threads = 5'000; }), "threads"));
  CHECK(holds(message([](auto& o) { o.alpha = -0.1; }), "alpha"));
}

TEST_CASE("the first 256 tokens count") {
  const auto embedder = open_onnx_embedder(minilm()).value();
  std::string words;
  for (int i = 0; i < 254; ++i) words += "tea ";
  const std::string longer = words + "bicycle";
  const std::string shorter = words.substr(4) + "bicycle";
  const auto vectors = embedder->embed(std::vector<std::string_view>{words, longer, shorter}, {}).value();
  CHECK(vectors[0] == vectors[1]);
  CHECK(vectors[0] != vectors[2]);
}
