// The vocab.txt of a WordPiece tokenizer, and texts as its tokens.
#ifndef FRACTAL_ONNX_VOCABULARY_H
#define FRACTAL_ONNX_VOCABULARY_H

#include <fractal/result.h>

#include "src/embed/token_table.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::onnx {

class Vocabulary {
 public:
  // not_found; corruption: no text, too long, or without [CLS], [SEP], [UNK] or [PAD].
  static Result<Vocabulary> open(const std::string& path);

  // [CLS], the text's tokens, [SEP]: the first `most` of them, the last of which is always [SEP]. Empty for a text
  // without any known token. `text` is valid UTF-8.
  std::vector<std::int64_t> tokens(std::string_view text, std::size_t most) const;
  std::int64_t padding() const noexcept { return padding_; }

 private:
  Vocabulary(std::vector<std::uint8_t> bytes, TokenTable table) noexcept;

  std::vector<std::uint8_t> bytes_;  // what the table is a view of
  TokenTable table_;
  std::int64_t begin_ = 0, end_ = 0, unknown_ = 0, padding_ = 0;
};

}  // namespace fractal::onnx

#endif
