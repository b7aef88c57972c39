// Distances between vectors, with the best instruction set of this machine, chosen at run time.
#ifndef FRACTAL_SRC_KERNELS_H
#define FRACTAL_SRC_KERNELS_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace fractal::kernels {

float dot(const float* left, const float* right, std::size_t n);
float squared_l2(const float* left, const float* right, std::size_t n);
// out[i] = sum over j of query[j] * rows[i * stride + j]; exact integers. stride and the padded length n are
// multiples of 64, rows and query aligned to 64 bytes, codes in -127..127.
void dot_i8(const std::int8_t* query, const std::int8_t* rows, std::size_t stride, std::size_t n, std::size_t count,
            std::int32_t* out);
// The instruction set in use, as "AVX3_DL".
std::string instruction_set();

}  // namespace fractal::kernels

#endif
