// Invariant: a vector depends on its text and the table alone, to the last bit, on every machine: sums are of integers,
// and what follows is one square root and one division, which IEEE 754 rounds in one way.
#include "table_embedder.h"

#include "src/error.h"
#include "src/utf8.h"
#include "src/validate.h"
#include "word_piece.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <system_error>
#include <utility>

namespace fractal {
namespace {

// 512 products of at most 2^15 * 2^7 stay in 32 bits.
constexpr std::size_t tokens_of_a_sum = 512;
// Between two looks at the clock.
constexpr std::size_t texts_of_a_round = 256;

void add_vector(std::int16_t factor, const std::int8_t* vector, std::span<std::int32_t> sum) noexcept {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += std::int32_t{factor} * vector[i];
}

// Of length one; empty if all components are 0. Cut to 24 bits, so that 2^14 squares stay in 64.
std::vector<float> unit_vector(std::vector<std::int64_t>& sum) {
  std::uint64_t largest = 0;
  for (const std::int64_t each : sum) largest = std::max(largest, static_cast<std::uint64_t>(std::abs(each)));
  if (largest == 0) return {};
  int shift = 0;
  while (largest >> shift >= std::uint64_t{1} << 24) ++shift;
  std::uint64_t squares = 0;
  for (std::int64_t& each : sum) {
    each /= std::int64_t{1} << shift;
    squares += static_cast<std::uint64_t>(each * each);
  }
  const double length = std::sqrt(static_cast<double>(squares));
  std::vector<float> vector(sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) vector[i] = static_cast<float>(static_cast<double>(sum[i]) / length);
  return vector;
}

class TableEmbedder final : public Embedder {
 public:
  TableEmbedder(TokenTable table, std::shared_ptr<const std::vector<std::uint8_t>> owner)
      : owner_(std::move(owner)), table_(std::move(table)) {
    identity_ = {.name = table_.name(), .dimension = table_.dimension(), .digest = table_.digest()};
  }

  const EmbedderIdentity& identity() const noexcept override { return identity_; }
  double alpha() const noexcept override { return 0.8; }  // docs/benchmarks.md

  Result<std::vector<std::vector<float>>> embed(std::span<const std::string_view> texts,
                                                const Control& control) const override {
    std::vector<std::vector<float>> vectors;
    vectors.reserve(texts.size());
    std::vector<std::uint32_t> tokens;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i % texts_of_a_round == 0) FRACTAL_TRY(check_control(control, "embed"));
      if (!valid_utf8(texts[i])) return make_error(Errc::invalid_argument, "embed: text {} is not UTF-8", i);
      tokens.clear();
      append_tokens(table_, texts[i], tokens);
      vectors.push_back(vector_of(tokens));
    }
    return vectors;
  }

 private:
  std::vector<float> vector_of(std::span<const std::uint32_t> tokens) const {
    std::vector<std::int64_t> total(table_.dimension());
    std::vector<std::int32_t> sum(table_.dimension());
    while (!tokens.empty()) {
      const auto some = tokens.first(std::min(tokens.size(), tokens_of_a_sum));
      tokens = tokens.subspan(some.size());
      std::fill(sum.begin(), sum.end(), 0);
      for (const std::uint32_t token : some) {
        if (token != unknown_token) add_vector(table_.factor(token), table_.vector(token), sum);
      }
      for (std::size_t i = 0; i < sum.size(); ++i) total[i] += sum[i];
    }
    return unit_vector(total);
  }

  std::shared_ptr<const std::vector<std::uint8_t>> owner_;
  TokenTable table_;
  EmbedderIdentity identity_;
};

Result<std::vector<std::uint8_t>> read_file(const std::string& path) {
  const auto failed = [&](std::string_view operation) {
    const int code = errno;
    return make_error(code == ENOENT ? Errc::not_found : Errc::io, "{} {}: {}", operation, path,
                      std::generic_category().message(code));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return failed("open");
  std::vector<std::uint8_t> bytes;
  std::size_t size = 0;
  do {
    bytes.resize(size + (std::size_t{1} << 20));
    size += std::fread(bytes.data() + size, 1, bytes.size() - size, file.get());
    if (std::ferror(file.get()) != 0) return failed("read");
  } while (size == bytes.size());
  bytes.resize(size);
  return bytes;
}

}  // namespace

std::shared_ptr<Embedder> make_table_embedder(TokenTable table,
                                              std::shared_ptr<const std::vector<std::uint8_t>> owner) {
  return std::make_shared<TableEmbedder>(std::move(table), std::move(owner));
}

Result<std::shared_ptr<Embedder>> table_embedder(std::vector<std::uint8_t> bytes) {
  bytes.shrink_to_fit();
  auto owner = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
  FRACTAL_TRY_INTO(TokenTable table, TokenTable::view(*owner, true));
  return make_table_embedder(std::move(table), std::move(owner));
}

Result<std::shared_ptr<Embedder>> open_embed_table(const std::string& path) {
  FRACTAL_TRY_INTO(std::vector<std::uint8_t> bytes, read_file(path));
  auto embedder = table_embedder(std::move(bytes));
  if (!embedder) return within(embedder.error(), "{}", path);
  return embedder;
}

// The digest is left to a test: to check it would read 8 MB in each program.
std::shared_ptr<Embedder> builtin_embedder() {
  static const std::shared_ptr<Embedder> shared = []() -> std::shared_ptr<Embedder> {
    auto table = TokenTable::view(compiled_table(), false);
    return table ? make_table_embedder(std::move(*table), nullptr) : nullptr;
  }();
  return shared;
}

}  // namespace fractal
