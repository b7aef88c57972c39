// What the embedder says of a library that is not there.
#include <fractal/format.h>
#include <fractal/onnx_embedder.h>

int main() {
  const auto embedder = fractal::open_onnx_embedder(
      {.model = "model.onnx", .vocabulary = "vocab.txt", .library = "/no/such/libonnxruntime.so"});
  fmt::print("{}\n", embedder ? "an embedder?" : embedder.error().message);
  return !embedder && embedder.error().code == fractal::Errc::not_found ? 0 : 1;
}
