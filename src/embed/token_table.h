// The file of a static embedder: a vocabulary and a vector for each of its tokens. Little-endian; every section begins
// at a multiple of 64, zero bytes between. tools/embed_table/table_file.py writes it.
//
//   0    8    "FRACTEMB"
//   8    u32  version: 1
//   12   u32  dimension D, 1 to 16,384
//   16   u32  tokens N, 1 to 4,194,304
//   20   u32  slots S of the hash: a power of two above N
//   24   u32  bytes of the longest token, 1 to 1,024
//   28   u32  bytes of all tokens
//   32   32   SHA-256 of the file without these 32 bytes
//   64   128  name of the embedder, 1 to 100 bytes, then zeros
//   192  64   zeros
//   256       N + 1 u32: where each token begins in the text, and where the last one ends
//             S u32: slots, 0 or a token's number + 1; a token stands in the first free slot from its hash on
//             N u16: factors, 0 to 32,767; 0 for tokens that say nothing
//             the tokens' text, UTF-8; tokens inside a word begin with ##
//             N * D i8: the vectors. A text's is the sum over its tokens of factor * vector.
#ifndef FRACTAL_SRC_EMBED_TOKEN_TABLE_H
#define FRACTAL_SRC_EMBED_TOKEN_TABLE_H

#include <fractal/result.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fractal {

// FNV-1a of 64 bits, a byte at a time, so that the hashes of all prefixes of a word take one pass.
inline constexpr std::uint64_t token_hash_start = 0xcbf29ce484222325;
constexpr std::uint64_t token_hash(std::uint64_t hash, char byte) noexcept {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
}

// A view of the file's bytes, which it does not own. Immutable.
class TokenTable {
 public:
  // corruption, unless every place that the members below read is inside the bytes. `check_digest` reads them all.
  static Result<TokenTable> view(std::span<const std::uint8_t> bytes, bool check_digest);

  const std::string& name() const noexcept { return name_; }
  const std::string& digest() const noexcept { return digest_; }  // the first 16 characters in hexadecimal
  std::size_t dimension() const noexcept { return dimension_; }
  std::size_t tokens() const noexcept { return tokens_; }
  std::size_t longest_token() const noexcept { return longest_; }

  // The token prefix + rest, whose hash is given.
  std::optional<std::uint32_t> find(std::string_view prefix, std::string_view rest, std::uint64_t hash) const noexcept;
  // token < tokens().
  std::string_view text(std::uint32_t token) const noexcept;
  std::int16_t factor(std::uint32_t token) const noexcept;
  const std::int8_t* vector(std::uint32_t token) const noexcept {
    return reinterpret_cast<const std::int8_t*>(vectors_ + token * dimension_);
  }

 private:
  Result<void> lay_out(std::span<const std::uint8_t> bytes);
  Result<void> check_vocabulary() const;

  std::string name_{};
  std::string digest_{};
  std::size_t dimension_ = 0, tokens_ = 0, slots_ = 0, longest_ = 0, text_bytes_ = 0;
  const std::uint8_t* begins_ = nullptr;
  const std::uint8_t* slot_ = nullptr;
  const std::uint8_t* factors_ = nullptr;
  const std::uint8_t* text_ = nullptr;
  const std::uint8_t* vectors_ = nullptr;
};

}  // namespace fractal

#endif
