// Invariant: a token's number is that of its line, from 0 on, as the model was trained with. Of a token that stands on
// two lines the later one counts.
#include "vocabulary.h"

#include "src/embed/word_piece.h"
#include "src/error.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace fractal::onnx {
namespace {

constexpr std::size_t longest_file = 64u << 20;

std::uint64_t hash_of(std::string_view token) {
  std::uint64_t hash = token_hash_start;
  for (const char c : token) hash = token_hash(hash, c);
  return hash;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The bytes of a token table (src/embed/token_table.h) with these tokens, each with a vector of one 0: the tokenizer
// reads its vocabulary from such a table.
class TableBytes {
 public:
  explicit TableBytes(std::span<const std::string_view> tokens)
      : tokens_(tokens), slots_(std::bit_ceil(tokens.size() * 2)) {
    std::size_t longest = 1;
    std::size_t text = 0;
    for (const std::string_view token : tokens) {
      longest = std::max(longest, token.size());
      text += token.size();
    }
    append_header(longest, text);
    append_begins();
    append_slots();
    append_section(std::vector<std::uint8_t>(tokens.size() * 2));
    std::vector<std::uint8_t> letters;
    for (const std::string_view token : tokens) letters.insert(letters.end(), token.begin(), token.end());
    append_section(letters);
    append_section(std::vector<std::uint8_t>(tokens.size()));
  }

  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  static void append_u32(std::vector<std::uint8_t>& out, std::size_t value) {
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift & 0xff));
  }

  void append_section(const std::vector<std::uint8_t>& section) {
    bytes_.insert(bytes_.end(), section.begin(), section.end());
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
  }

  void append_header(std::size_t longest, std::size_t text) {
    std::vector<std::uint8_t> header;
    for (const char c : std::string_view("FRACTEMB")) header.push_back(static_cast<std::uint8_t>(c));
    for (const std::size_t value : {std::size_t{1}, std::size_t{1}, tokens_.size(), slots_, longest, text})
      append_u32(header, value);
    header.resize(64);  // no digest: nobody else sees these bytes
    for (const char c : std::string_view("vocabulary")) header.push_back(static_cast<std::uint8_t>(c));
    header.resize(256);
    append_section(header);
  }

  void append_begins() {
    std::vector<std::uint8_t> begins;
    std::size_t begin = 0;
    for (const std::string_view token : tokens_) {
      append_u32(begins, begin);
      begin += token.size();
    }
    append_u32(begins, begin);
    append_section(begins);
  }

  void append_slots() {
    std::vector<std::uint32_t> slots(slots_);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const std::uint64_t hash = hash_of(tokens_[i]);
      std::size_t slot = (hash ^ hash >> 32) & (slots_ - 1);
      while (slots[slot] != 0 && tokens_[slots[slot] - 1] != tokens_[i]) slot = (slot + 1) & (slots_ - 1);
      slots[slot] = static_cast<std::uint32_t>(i + 1);
    }
    std::vector<std::uint8_t> section;
    for (const std::uint32_t value : slots) append_u32(section, value);
    append_section(section);
  }

  std::span<const std::string_view> tokens_;
  std::size_t slots_;
  std::vector<std::uint8_t> bytes_{};
};

}  // namespace

Vocabulary::Vocabulary(std::vector<std::uint8_t> bytes, TokenTable table) noexcept
    : bytes_(std::move(bytes)), table_(std::move(table)) {}

Result<Vocabulary> Vocabulary::open(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    return make_error(Errc::not_found, "the vocabulary {}: there is no such file", path);
  if (std::filesystem::file_size(path, ignored) > longest_file)
    return make_error(Errc::corruption, "the vocabulary {}: more than {} bytes", path, longest_file);
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return make_error(Errc::io, "the vocabulary {}: not to be read", path);

  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.empty()) return make_error(Errc::corruption, "the vocabulary {}: empty", path);
  std::vector<std::uint8_t> bytes = TableBytes(lines).take();
  auto table = TokenTable::view(bytes, false);
  if (!table) return within(table.error(), "the vocabulary {}", path);
  Vocabulary vocabulary(std::move(bytes), std::move(*table));
  for (const auto& [name, token] : {std::pair{"[CLS]", &vocabulary.begin_},
                                    {"[SEP]", &vocabulary.end_},
                                    {"[UNK]", &vocabulary.unknown_},
                                    {"[PAD]", &vocabulary.padding_}}) {
    const auto found = vocabulary.table_.find({}, name, hash_of(name));
    if (!found) return make_error(Errc::corruption, "the vocabulary {}: no line {}", path, name);
    *token = *found;
  }
  return vocabulary;
}

std::vector<std::int64_t> Vocabulary::tokens(std::string_view text, std::size_t most) const {
  std::vector<std::uint32_t> pieces;
  append_tokens(table_, text, pieces);
  pieces.resize(std::min(pieces.size(), most - 2));
  if (std::all_of(pieces.begin(), pieces.end(), [](std::uint32_t piece) { return piece == unknown_token; })) return {};
  std::vector<std::int64_t> tokens{begin_};
  for (const std::uint32_t piece : pieces) tokens.push_back(piece == unknown_token ? unknown_ : piece);
  tokens.push_back(end_);
  return tokens;
}

}  // namespace fractal::onnx
