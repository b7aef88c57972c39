// Invariant: each row is read once, nothing is looked up or multiplied.
#include "sum_rows.h"

#include <array>

namespace fractal::bench {

std::int32_t sum_rows(const std::int8_t* rows, std::span<const std::uint32_t> numbers) {
  std::array<std::int16_t, 256> sum{};
  for (const std::uint32_t number : numbers) {
    const std::int8_t* const row = rows + std::size_t{256} * number;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = static_cast<std::int16_t>(sum[i] + row[i]);
  }
  std::int32_t mixed = 0;
  for (const std::int16_t each : sum) mixed += each;
  return mixed;
}

}  // namespace fractal::bench
