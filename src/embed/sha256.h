// SHA-256 (FIPS 180-4).
#ifndef FRACTAL_SRC_EMBED_SHA256_H
#define FRACTAL_SRC_EMBED_SHA256_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fractal {

class Sha256 {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  void add(std::span<const std::uint8_t> bytes);
  // Once, at the end.
  Digest digest();

 private:
  void add_block(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> rest_{};
  std::uint64_t length_ = 0;
};

// Lower case, two characters a byte.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace fractal

#endif
