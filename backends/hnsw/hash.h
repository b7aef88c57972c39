// XXH3 with 128 bits: finds every damage that is not made on purpose.
#ifndef FRACTAL_BACKENDS_HNSW_HASH_H
#define FRACTAL_BACKENDS_HNSW_HASH_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fractal::hnsw {

using Hash = std::array<std::uint64_t, 2>;  // the lower half first

// Of the bytes, and so many zeros after them.
Hash hash_of(std::span<const std::byte> bytes, std::size_t zeros = 0);

}  // namespace fractal::hnsw

#endif
