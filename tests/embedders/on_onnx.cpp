// all-MiniLM-L6-v2 in int8, run by ONNX Runtime.
#include "contract.h"

#include <fractal/onnx_embedder.h>

#include "setting.h"

fractal::OnnxEmbedderOptions minilm() {
  return {.model = setting::onnx_model(), .vocabulary = setting::vocabulary(), .library = setting::onnx_library()};
}

embedder_contract::Subject embedder_contract::make_subject() {
  return {.embedder = fractal::open_onnx_embedder(minilm()).value(), .name = "onnx:model.onnx"};
}
