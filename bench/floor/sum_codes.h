// The floor of an exact search over codes: reading each of them once.
#ifndef FRACTAL_BENCH_SUM_CODES_H
#define FRACTAL_BENCH_SUM_CODES_H

#include <cstddef>
#include <cstdint>

namespace fractal::bench {

// The sum of count bytes, a multiple of 1024, aligned to 64, with the widest loads of this machine.
std::uint64_t sum_codes(const std::uint8_t* codes, std::size_t count);

}  // namespace fractal::bench

#endif
