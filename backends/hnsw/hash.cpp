// Invariant: the same bytes have the same hash on every machine and in every version of the library; it is in the files.
#include "backends/hnsw/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace fractal::hnsw {
namespace {

constexpr std::array<std::byte, 4096> nothing{};

Hash halves(XXH128_hash_t hash) { return {hash.low64, hash.high64}; }

}  // namespace

Hash hash_of(std::span<const std::byte> bytes, std::size_t zeros) {
  if (zeros == 0) return halves(XXH3_128bits(bytes.data(), bytes.size()));
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, bytes.data(), bytes.size());
  while (zeros > 0) {
    const std::size_t part = std::min(zeros, nothing.size());
    XXH3_128bits_update(&state, nothing.data(), part);
    zeros -= part;
  }
  return halves(XXH3_128bits_digest(&state));
}

}  // namespace fractal::hnsw
