// Invariant: the bytes are those of data/embed_table.bin, for as long as the program lives.
#include "table_embedder.h"

#if defined(FRACTAL_HAS_EMBED_TABLE)
extern "C" {
extern const std::uint8_t fractal_embed_table[];
extern const std::uint8_t fractal_embed_table_end[];
}
#endif

namespace fractal {

std::span<const std::uint8_t> compiled_table() noexcept {
#if defined(FRACTAL_HAS_EMBED_TABLE)
  return {fractal_embed_table, fractal_embed_table_end};
#else
  return {};
#endif
}

}  // namespace fractal
