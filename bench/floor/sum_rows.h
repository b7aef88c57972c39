// The floor of embedding by a table: adding the vectors of the same tokens.
#ifndef FRACTAL_BENCH_SUM_ROWS_H
#define FRACTAL_BENCH_SUM_ROWS_H

#include <cstddef>
#include <cstdint>
#include <span>

namespace fractal::bench {

// Adds each row of 256 bytes whose number is given, as it stands; returns a number that depends on all.
std::int32_t sum_rows(const std::int8_t* rows, std::span<const std::uint32_t> numbers);

}  // namespace fractal::bench

#endif
