// Invariant: view() gives a table only if each later read stays inside the bytes and each search of the hash ends,
// whatever the bytes are. Numbers are put together from bytes: neither alignment nor byte order of the machine matters.
#include "token_table.h"

#include "sha256.h"
#include "src/error.h"
#include "src/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fractal {
namespace {

constexpr std::string_view magic = "FRACTEMB";
constexpr std::size_t header_bytes = 256, name_room = 128, longest_name = 100;
constexpr std::size_t digest_begin = 32, digest_end = 64;
constexpr std::size_t most_dimensions = 16'384, most_tokens = std::size_t{1} << 22, most_token_bytes = 1'024;

std::uint32_t read_u32(const std::uint8_t* at) noexcept {
  return at[0] | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
}
std::string_view as_text(const std::uint8_t* at, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(at), size};
}
constexpr std::size_t padded(std::size_t size) noexcept { return (size + 63) / 64 * 64; }

Error broken(std::string_view what) { return make_error(Errc::corruption, "embedding table: {}", what); }

}  // namespace

Result<void> TokenTable::lay_out(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < header_bytes || as_text(bytes.data(), magic.size()) != magic) {
    return broken("it does not begin as one");
  }
  const std::uint8_t* const header = bytes.data();
  if (const std::uint32_t version = read_u32(header + 8); version != 1) {
    return make_error(Errc::corruption, "embedding table: version {}, this library reads 1", version);
  }
  dimension_ = read_u32(header + 12);
  tokens_ = read_u32(header + 16);
  slots_ = read_u32(header + 20);
  longest_ = read_u32(header + 24);
  text_bytes_ = read_u32(header + 28);
  if (dimension_ == 0 || dimension_ > most_dimensions) return broken("bad dimension");
  if (tokens_ == 0 || tokens_ > most_tokens) return broken("bad number of tokens");
  if (!std::has_single_bit(slots_) || slots_ <= tokens_ || slots_ > 8 * most_tokens) return broken("bad hash size");
  if (longest_ == 0 || longest_ > most_token_bytes) return broken("bad length of the longest token");
  const std::string_view name = as_text(header + digest_end, name_room);
  const std::size_t length = std::min(name.find('\0'), name.size());
  if (length == 0 || length > longest_name || name.find_first_not_of('\0', length) != std::string_view::npos ||
      !valid_text(name.substr(0, length)) ||
      name.substr(0, length).find_first_of(" \t\r\n") != std::string_view::npos) {
    return broken("bad name");
  }
  name_ = name.substr(0, length);
  digest_ = to_hex(bytes.subspan(digest_begin, 8));

  std::size_t at = header_bytes;
  const auto section = [&](std::size_t size) {
    const std::size_t begin = at;
    at += padded(size);
    return begin;
  };
  const std::size_t begins = section(4 * (tokens_ + 1)), slot = section(4 * slots_), factors = section(2 * tokens_);
  const std::size_t text = section(text_bytes_), vectors = section(tokens_ * dimension_);
  if (at != bytes.size()) return make_error(Errc::corruption, "embedding table: {} bytes, not {}", bytes.size(), at);
  begins_ = header + begins;
  slot_ = header + slot;
  factors_ = header + factors;
  text_ = header + text;
  vectors_ = header + vectors;
  return {};
}

Result<void> TokenTable::check_vocabulary() const {
  std::uint32_t begin = read_u32(begins_);
  if (begin != 0) return broken("bad place of a token");
  for (std::size_t token = 0; token < tokens_; ++token) {
    const std::uint32_t end = read_u32(begins_ + 4 * (token + 1));
    if (end < begin || end > text_bytes_ || end - begin > longest_) return broken("bad place of a token");
    begin = end;
    if (factor(static_cast<std::uint32_t>(token)) < 0) return broken("bad factor");
  }
  std::size_t used = 0;
  for (std::size_t slot = 0; slot < slots_; ++slot) {
    const std::uint32_t value = read_u32(slot_ + 4 * slot);
    if (value > tokens_) return broken("bad slot");
    used += value != 0;
  }
  // find() ends at an empty slot.
  if (used == slots_) return broken("its hash is full");
  return {};
}

Result<TokenTable> TokenTable::view(std::span<const std::uint8_t> bytes, bool check_digest) {
  TokenTable table;
  FRACTAL_TRY(table.lay_out(bytes));
  if (check_digest) {
    Sha256 sum;
    sum.add(bytes.first(digest_begin));
    sum.add(bytes.subspan(digest_end));
    const Sha256::Digest digest = sum.digest();
    if (!std::equal(digest.begin(), digest.end(), bytes.data() + digest_begin))
      return broken("its digest does not fit");
  }
  FRACTAL_TRY(table.check_vocabulary());
  return table;
}

std::string_view TokenTable::text(std::uint32_t token) const noexcept {
  const std::uint8_t* const at = begins_ + std::size_t{4} * token;
  const std::uint32_t begin = read_u32(at);
  return as_text(text_ + begin, read_u32(at + 4) - begin);
}

std::int16_t TokenTable::factor(std::uint32_t token) const noexcept {
  const std::uint8_t* const at = factors_ + std::size_t{2} * token;
  return static_cast<std::int16_t>(at[0] | at[1] << 8);
}

std::optional<std::uint32_t> TokenTable::find(std::string_view prefix, std::string_view rest,
                                              std::uint64_t hash) const noexcept {
  for (std::size_t slot = hash ^ hash >> 32;; ++slot) {
    const std::uint32_t value = read_u32(slot_ + 4 * (slot & (slots_ - 1)));
    if (value == 0) return std::nullopt;
    const std::string_view found = text(value - 1);
    if (found.size() == prefix.size() + rest.size() && found.starts_with(prefix) && found.ends_with(rest)) {
      return value - 1;
    }
  }
}

}  // namespace fractal
