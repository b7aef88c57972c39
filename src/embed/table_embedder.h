// The embedder that a token table makes.
#ifndef FRACTAL_SRC_EMBED_TABLE_EMBEDDER_H
#define FRACTAL_SRC_EMBED_TABLE_EMBEDDER_H

#include <fractal/embedder.h>

#include "token_table.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace fractal {

// The table's file as it was compiled in; empty without FRACTAL_EMBED_TABLE.
std::span<const std::uint8_t> compiled_table() noexcept;

// `owner` keeps the table's bytes; null if they are the program's own.
std::shared_ptr<Embedder> make_table_embedder(TokenTable table, std::shared_ptr<const std::vector<std::uint8_t>> owner);
// A file's bytes, of which nothing is known.
Result<std::shared_ptr<Embedder>> table_embedder(std::vector<std::uint8_t> bytes);

}  // namespace fractal

#endif
