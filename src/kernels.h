// Sums over vectors, with the best instruction set of this machine, chosen at run time.
//
// The floating-point sums depend on the values and on n alone: never on alignment or on the rows around.
// So a score is the same number, bit for bit, whoever computes it on this machine.
#ifndef FRACTAL_SRC_KERNELS_H
#define FRACTAL_SRC_KERNELS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::kernels {

// Products and sums in double: no finite vectors overflow.
double dot(const float* left, const float* right, std::size_t n);
double squared_l2(const float* left, const float* right, std::size_t n);

// ---- Codes: vectors as bytes, 128 being zero ---------------------------------------------------

// Rows of codes and the query's codes are padded to a multiple of this, and aligned to it.
inline constexpr std::size_t code_block = 64;

struct CodeQuery {
  const std::int8_t* codes = nullptr;  // -127..127, and 0 behind the vector's end
  std::size_t stride = 0;              // bytes of a row, and of `codes`
  std::int32_t offset = 0;             // 128 times the sum of `codes`
};

// out[i] = sum over j < stride of query.codes[j] * (row[j] - 128), an exact integer. Row i is slots[i], or the
// i-th if slots is null; its codes are in 1..255.
void dot_codes(const CodeQuery& query, const std::uint8_t* rows, const std::uint32_t* slots, std::size_t count,
               std::int32_t* out);
// The same, with the address of each row.
void dot_codes(const CodeQuery& query, const std::uint8_t* const* rows, std::size_t count, std::int32_t* out);
// Of two rows: the sum of (left[j] - 128) * (right[j] - 128).
std::int32_t dot_rows(const std::uint8_t* left, const std::uint8_t* right, std::size_t stride);

// What is known of a row v coded as w = scale * codes: norm >= |w|, error >= |v - w|.
struct RowTerms {
  const float* scale = nullptr;
  const float* norm = nullptr;
  const float* error = nullptr;
};

// How bounds follow from dot = dot_codes() of query and row.
//   inner product: dot * scale * row.scale +- (norm_factor * row.norm + error_factor * row.error + constant)
//   distance, as its negative: with d2 = square + row.norm^2 - 2 * dot * scale * row.scale,
//     e = (norm + row.norm)^2 * 2^-20:  -(sqrt(d2 +- e) +- (error_factor * row.error + constant))
struct QueryTerms {
  bool distance = false;
  float scale = 0;
  float norm = 0;
  float square = 0;
  float norm_factor = 0;
  float error_factor = 0;
  float constant = 0;
};

// Rows in one call of bound_scores().
inline constexpr std::size_t bound_rows = 512;

// For each of count <= bound_rows rows its upper and lower bound; the places of those whose upper bound
// reaches the threshold go to `kept`, rising; returns how many. All arrays have room for bound_rows entries,
// and count rounded up to 16 of them are read.
std::size_t bound_scores(const QueryTerms& query, const RowTerms& rows, const std::int32_t* dots, std::size_t count,
                         float threshold, float* upper, float* lower, std::uint32_t* kept);

// The instruction set in use, as "AVX3+VNNI".
std::string instruction_set();
// Whether sums of codes are to use AVX-512 VNNI, which is not one of Highway's targets.
bool vnni();
// For tests: those that this machine has, the best first, and the choice of one ("": the best). Scores are
// comparable only within one choice.
std::vector<std::string> instruction_sets();
bool use_instruction_set(std::string_view name);

}  // namespace fractal::kernels

#endif
