// Memory with a sentence encoder in the program: a model in ONNX form, its vocab.txt, and libonnxruntime.
//   onnx_embedder model.onnx vocab.txt [libonnxruntime.so]
#include <fractal/format.h>
#include <fractal/onnx_embedder.h>

#include <cstdio>
#include <exception>
#include <string>

int main(int count, char** words) try {
  if (count < 3) {
    fmt::print("usage: onnx_embedder MODEL VOCABULARY [LIBRARY]\n");
    return 2;
  }
  const auto embedder =
      fractal::open_onnx_embedder({.model = words[1], .vocabulary = words[2], .library = count > 3 ? words[3] : ""})
          .value();
  fmt::print("{}\n", embedder->identity().to_string());

  auto memory = fractal::FractalMemory::open({.path = ":memory:", .embedder = embedder}).value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "The refrigerator hums at night"})"}).value();
  memory.store({.coordinate = {2}, .payload = R"({"text": "Ada repairs bicycles in the garage"})"}).value();
  memory.store({.coordinate = {3}, .payload = R"({"text": "She was afraid in the narrow lift"})"}).value();

  for (const std::string question : {"a device for keeping food cold", "fear of being shut in"}) {
    const auto found = memory.search(question, {.top_k = 1}).value();
    fmt::print("{} -> {}\n", question, found.hits.at(0).memory.payload);
  }
} catch (const std::exception& failure) {
  fmt::print(stderr, "onnx_embedder: {}\n", failure.what());
  return 1;
}
