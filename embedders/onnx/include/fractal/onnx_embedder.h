// A sentence encoder in the program itself: a BERT-like model in ONNX form, run by ONNX Runtime. The component `onnx` of
// the package: find_package(FractalMemory COMPONENTS onnx), FractalMemory::onnx. ONNX Runtime is opened at run time.
#ifndef FRACTAL_ONNX_EMBEDDER_H
#define FRACTAL_ONNX_EMBEDDER_H

#include <fractal/embedder.h>

#include <cstddef>
#include <memory>
#include <string>

namespace fractal {

struct OnnxEmbedderOptions {
  // Takes input_ids and attention_mask, and token_type_ids if it likes, [texts, tokens] of int64; gives [texts, tokens,
  // dimension] of float32, whose mean over a text's tokens, brought to length 1, is the text's vector: all-MiniLM,
  // multi-qa-MiniLM, GTE and their like. The identity is "onnx:<file name>" (95 bytes, no blanks), with the file's
  // SHA-256.
  std::string model{};
  std::string vocabulary{};  // the vocab.txt of an uncased WordPiece tokenizer: one token a line
  std::string library{};  // libonnxruntime.so of any release 1.x; empty: the usual names, where the loader finds them

  std::size_t threads = 1;  // within one run; 0: as many as there are cores
  // Texts of one run. With 1 a text's vector cannot depend on the texts beside it, whatever the model; more are
  // padded to the longest of them, which pays for very short texts.
  std::size_t batch_texts = 1;
  double alpha = 0.8;  // Embedder::alpha()
};

// Of a text the first 256 tokens count. A text without any known token has an empty vector. Control is looked at before
// each run. not_found: a file, the library. unsupported: a library that is not ONNX Runtime or is too old, a model of
// another kind. corruption: a model or vocabulary that is damaged, or do not fit each other. invalid_argument: the
// other options.
FRACTAL_API Result<std::shared_ptr<Embedder>> open_onnx_embedder(OnnxEmbedderOptions options);

}  // namespace fractal

#endif
