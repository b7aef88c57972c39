// BERT's uncased WordPiece: what the encoder that the table was distilled from reads.
#ifndef FRACTAL_SRC_EMBED_WORD_PIECE_H
#define FRACTAL_SRC_EMBED_WORD_PIECE_H

#include "token_table.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace fractal {

// Appended for a word that the vocabulary cannot spell, or of more than 100 characters.
inline constexpr std::uint32_t unknown_token = UINT32_MAX;

// Appends the tokens of a text, in order. Control characters are dropped, blanks of any kind end a word, Chinese
// characters stand alone, accents are stripped, letters made lower case, punctuation stands alone, and each word is
// cut from the left into the longest tokens that the vocabulary has. `text` must be valid UTF-8. The names of special
// tokens, as in "[CLS]", mean nothing here.
void append_tokens(const TokenTable& table, std::string_view text, std::vector<std::uint32_t>& tokens);

}  // namespace fractal

#endif
