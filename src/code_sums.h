// Sums over codes with AVX-512 VNNI, for the places that want them inlined; who calls has asked kernels::vnni().
#ifndef FRACTAL_SRC_CODE_SUMS_H
#define FRACTAL_SRC_CODE_SUMS_H

#include "src/kernels.h"

#include <hwy/base.h>

#if HWY_ARCH_X86
#include <immintrin.h>

// Highway 1.0 has no dot product of bytes, and asks for the wrong one of the two VNNI extensions in its
// target for processors that have it: hence functions of our own beside its targets.
#define FRACTAL_VNNI_TARGET "avx2,bmi,bmi2,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#define FRACTAL_VNNI __attribute__((target(FRACTAL_VNNI_TARGET)))

// g++ 12 takes the don't-care operands inside its own intrinsics for uninitialised variables.
#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace fractal::kernels {

// Sixteen partial sums of query and row. Row after row reads memory faster than several rows at once.
FRACTAL_VNNI inline __m512i partial_sums(const std::int8_t* query, const std::uint8_t* row, std::size_t n) {
  __m512i even = _mm512_setzero_si512(), odd = even;
  std::size_t j = 0;
  for (; j + 2 * code_block <= n; j += 2 * code_block) {
    even = _mm512_dpbusd_epi32(even, _mm512_load_si512(row + j), _mm512_load_si512(query + j));
    odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(row + j + code_block), _mm512_load_si512(query + j + code_block));
  }
  if (j < n) even = _mm512_dpbusd_epi32(even, _mm512_load_si512(row + j), _mm512_load_si512(query + j));
  return _mm512_add_epi32(even, odd);
}

// The sums of four rows from their partial sums.
FRACTAL_VNNI inline __m128i fold(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

}  // namespace fractal::kernels

#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic pop
#endif
#endif

#endif
