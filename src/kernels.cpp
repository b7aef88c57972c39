// Invariant: each kernel adds in one fixed order, and the integer kernels give the same result on every
// instruction set. Highway compiles this file once for each instruction set and chooses at run time.
#include "kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "code_sums.h"

#include <atomic>

#ifndef FRACTAL_SRC_KERNELS_CPP_ONCE
#define FRACTAL_SRC_KERNELS_CPP_ONCE
namespace fractal::kernels {
// Rows at chosen places: the processor does not see them coming, so each is asked for some rows ahead.
struct ChosenRows {
  static constexpr std::size_t ahead = 8;
  const std::uint8_t* rows;
  const std::uint32_t* slots;
  std::size_t count, stride;

  const std::uint8_t* operator()(std::size_t i) const {
    if (i + ahead < count) {
      const std::uint8_t* const coming = rows + slots[i + ahead] * stride;
      for (std::size_t j = 0; j < stride; j += 64) __builtin_prefetch(coming + j);
    }
    return rows + slots[i] * stride;
  }
};
}  // namespace fractal::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace fractal::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four partial sums, so that additions overlap; lane by lane, then over the lanes, then the rest.
template <class Step>
HWY_INLINE double sum_pairs(const float* HWY_RESTRICT left, const float* HWY_RESTRICT right, std::size_t n,
                            const Step& step) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> f;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  const auto load = [&](const float* from) HWY_ATTR { return hn::PromoteTo(d, hn::LoadU(f, from)); };
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    sum0 = step(load(left + i), load(right + i), sum0);
    sum1 = step(load(left + i + lanes), load(right + i + lanes), sum1);
    sum2 = step(load(left + i + 2 * lanes), load(right + i + 2 * lanes), sum2);
    sum3 = step(load(left + i + 3 * lanes), load(right + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= n; i += lanes) sum0 = step(load(left + i), load(right + i), sum0);
  const auto sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  double total = hn::GetLane(hn::SumOfLanes(d, sum));
  const hn::CappedTag<double, 1> one;
  for (; i < n; ++i) {
    const auto next =
        step(hn::Set(one, static_cast<double>(left[i])), hn::Set(one, static_cast<double>(right[i])), hn::Zero(one));
    total += hn::GetLane(next);
  }
  return total;
}

double dot(const float* left, const float* right, std::size_t n) {
  return sum_pairs(left, right, n, [](auto a, auto b, auto sum) HWY_ATTR { return hn::MulAdd(a, b, sum); });
}

double squared_l2(const float* left, const float* right, std::size_t n) {
  return sum_pairs(left, right, n, [](auto a, auto b, auto sum) HWY_ATTR {
    const auto difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  });
}

// Bytes widened to 16 bits: products of 255 * 127 summed in pairs need 32.
HWY_INLINE std::int32_t dot_one(const std::int8_t* HWY_RESTRICT query, const std::uint8_t* HWY_RESTRICT row,
                                std::size_t n) {
#if HWY_TARGET == HWY_SCALAR
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < n; ++j) sum += std::int32_t{query[j]} * row[j];
  return sum;
#else
  const hn::CappedTag<std::int16_t, code_block / 2> d16;
  const hn::Rebind<std::int8_t, decltype(d16)> s8;
  const hn::Rebind<std::uint8_t, decltype(d16)> u8;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const std::size_t lanes = hn::Lanes(d16);
  auto sum0 = hn::Zero(d32), sum1 = hn::Zero(d32);
  for (std::size_t j = 0; j < n; j += lanes) {
    const auto q = hn::PromoteTo(d16, hn::LoadU(s8, query + j));
    const auto r = hn::PromoteTo(d16, hn::LoadU(u8, row + j));
    sum0 = hn::ReorderWidenMulAccumulate(d32, q, r, sum0, sum1);
  }
  return hn::GetLane(hn::SumOfLanes(d32, hn::Add(sum0, sum1)));
#endif
}

void dot_codes(const CodeQuery& query, const std::uint8_t* rows, const std::uint32_t* slots, std::size_t count,
               std::int32_t* out) {
  const std::size_t stride = query.stride;
  const auto each = [&](const auto& row) HWY_ATTR {
    for (std::size_t i = 0; i < count; ++i) out[i] = dot_one(query.codes, row(i), stride) - query.offset;
  };
  if (slots != nullptr) {
    each(ChosenRows{rows, slots, count, stride});
  } else {
    each([=](std::size_t i) { return rows + i * stride; });
  }
}

void dot_codes_at(const CodeQuery& query, const std::uint8_t* const* rows, std::size_t count, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = dot_one(query.codes, rows[i], query.stride) - query.offset;
}

std::int32_t dot_rows(const std::uint8_t* left, const std::uint8_t* right, std::size_t stride) {
#if HWY_TARGET == HWY_SCALAR
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < stride; ++j) sum += (std::int32_t{left[j]} - 128) * (std::int32_t{right[j]} - 128);
  return sum;
#else
  const hn::CappedTag<std::int16_t, code_block / 2> d16;
  const hn::Rebind<std::uint8_t, decltype(d16)> u8;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const auto zero = hn::Set(d16, 128);
  auto sum0 = hn::Zero(d32), sum1 = hn::Zero(d32);
  for (std::size_t j = 0; j < stride; j += hn::Lanes(d16)) {
    const auto a = hn::Sub(hn::PromoteTo(d16, hn::LoadU(u8, left + j)), zero);
    const auto b = hn::Sub(hn::PromoteTo(d16, hn::LoadU(u8, right + j)), zero);
    sum0 = hn::ReorderWidenMulAccumulate(d32, a, b, sum0, sum1);
  }
  return hn::GetLane(hn::SumOfLanes(d32, hn::Add(sum0, sum1)));
#endif
}

std::size_t bound_scores(const QueryTerms& query, const RowTerms& rows, const std::int32_t* dots, std::size_t count,
                         float threshold, float* upper, float* lower, std::uint32_t* kept) {
  const hn::CappedTag<float, 16> f;
  const hn::RebindToSigned<decltype(f)> s32;
  const hn::RebindToUnsigned<decltype(f)> u32;
  const auto scale = hn::Set(f, query.scale), norm = hn::Set(f, query.norm), square = hn::Set(f, query.square);
  const auto norm_factor = hn::Set(f, query.norm_factor), error_factor = hn::Set(f, query.error_factor);
  const auto constant = hn::Set(f, query.constant), least = hn::Set(f, threshold);
  const auto rounding = hn::Set(f, 1.0f / (1 << 20));
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; i += hn::Lanes(f)) {
    const auto row_norm = hn::LoadU(f, rows.norm + i);
    // In this order nothing underflows before the end.
    const auto product =
        hn::Mul(hn::Mul(hn::ConvertTo(f, hn::LoadU(s32, dots + i)), scale), hn::LoadU(f, rows.scale + i));
    auto slack = hn::Add(hn::Mul(error_factor, hn::LoadU(f, rows.error + i)), constant);
    auto high = product, low = product;
    if (query.distance) {
      const auto sum = hn::Add(norm, row_norm);
      const auto e = hn::Mul(hn::Mul(sum, sum), rounding);
      const auto d2 = hn::Sub(hn::Add(square, hn::Mul(row_norm, row_norm)), hn::Add(product, product));
      high = hn::Neg(hn::Sqrt(hn::Max(hn::Sub(d2, e), hn::Zero(f))));
      low = hn::Neg(hn::Sqrt(hn::Max(hn::Add(d2, e), hn::Zero(f))));
    } else {
      slack = hn::Add(slack, hn::Mul(norm_factor, row_norm));
    }
    high = hn::Add(high, slack);
    hn::StoreU(high, f, upper + i);
    hn::StoreU(hn::Sub(low, slack), f, lower + i);
    const auto wanted = hn::RebindMask(u32, hn::And(hn::Ge(high, least), hn::FirstN(f, count - i)));
    if (hn::AllFalse(u32, wanted)) continue;
    // Not CompressStore, which takes a hundred cycles on some processors.
    hn::StoreU(hn::Compress(hn::Iota(u32, static_cast<std::uint32_t>(i)), wanted), u32, kept + found);
    found += hn::CountTrue(u32, wanted);
  }
  return found;
}

std::string instruction_set() { return hwy::TargetName(HWY_TARGET); }

}  // namespace fractal::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fractal::kernels {
namespace {

HWY_EXPORT(dot);
HWY_EXPORT(squared_l2);
HWY_EXPORT(dot_codes);
HWY_EXPORT(dot_codes_at);
HWY_EXPORT(dot_rows);
HWY_EXPORT(bound_scores);
HWY_EXPORT(instruction_set);

#if HWY_ARCH_X86

bool has_vnni() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vnni") != 0;
}
std::atomic<bool> use_vnni{has_vnni()};

// g++ 12 takes the don't-care operands inside its own intrinsics for uninitialised variables.
#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

template <class Row>
FRACTAL_VNNI inline void dot_codes_vnni(const CodeQuery& query, const Row& row, std::size_t count, std::int32_t* out) {
  const std::size_t n = query.stride;
  const __m128i offset = _mm_set1_epi32(query.offset);
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m512i a = partial_sums(query.codes, row(i), n), b = partial_sums(query.codes, row(i + 1), n);
    const __m512i c = partial_sums(query.codes, row(i + 2), n), d = partial_sums(query.codes, row(i + 3), n);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_sub_epi32(fold(a, b, c, d), offset));
  }
  for (; i < count; ++i) {
    const __m512i a = partial_sums(query.codes, row(i), n);
    out[i] = _mm_cvtsi128_si32(_mm_sub_epi32(fold(a, a, a, a), offset));
  }
}

FRACTAL_VNNI std::int32_t dot_rows_vnni(const std::uint8_t* left, const std::uint8_t* right, std::size_t n) {
  const __m512i zero = _mm512_set1_epi8(-128);
  __m512i sum = _mm512_setzero_si512(), offset = sum;
  for (std::size_t j = 0; j < n; j += code_block) {
    const __m512i codes = _mm512_xor_si512(_mm512_load_si512(right + j), zero);  // of right, as numbers around 0
    sum = _mm512_dpbusd_epi32(sum, _mm512_load_si512(left + j), codes);
    offset = _mm512_dpbusd_epi32(offset, zero, codes);
  }
  sum = _mm512_sub_epi32(sum, offset);
  return _mm_cvtsi128_si32(fold(sum, sum, sum, sum));
}

#if HWY_COMPILER_GCC_ACTUAL
#pragma GCC diagnostic pop
#endif
#endif

}  // namespace

double dot(const float* left, const float* right, std::size_t n) { return HWY_DYNAMIC_DISPATCH(dot)(left, right, n); }

double squared_l2(const float* left, const float* right, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(squared_l2)(left, right, n);
}

void dot_codes(const CodeQuery& query, const std::uint8_t* rows, const std::uint32_t* slots, std::size_t count,
               std::int32_t* out) {
#if HWY_ARCH_X86
  if (vnni() && slots != nullptr)
    return dot_codes_vnni(query, ChosenRows{rows, slots, count, query.stride}, count, out);
  if (vnni()) {
    return dot_codes_vnni(
        query, [rows, stride = query.stride](std::size_t i) { return rows + i * stride; }, count, out);
  }
#endif
  HWY_DYNAMIC_DISPATCH(dot_codes)(query, rows, slots, count, out);
}

void dot_codes(const CodeQuery& query, const std::uint8_t* const* rows, std::size_t count, std::int32_t* out) {
#if HWY_ARCH_X86
  if (vnni()) {
    return dot_codes_vnni(
        query, [=](std::size_t i) { return rows[i]; }, count, out);
  }
#endif
  HWY_DYNAMIC_DISPATCH(dot_codes_at)(query, rows, count, out);
}

std::int32_t dot_rows(const std::uint8_t* left, const std::uint8_t* right, std::size_t stride) {
#if HWY_ARCH_X86
  if (vnni()) return dot_rows_vnni(left, right, stride);
#endif
  return HWY_DYNAMIC_DISPATCH(dot_rows)(left, right, stride);
}

std::size_t bound_scores(const QueryTerms& query, const RowTerms& rows, const std::int32_t* dots, std::size_t count,
                         float threshold, float* upper, float* lower, std::uint32_t* kept) {
  return HWY_DYNAMIC_DISPATCH(bound_scores)(query, rows, dots, count, threshold, upper, lower, kept);
}

std::string instruction_set() {
  std::string name = HWY_DYNAMIC_DISPATCH(instruction_set)();
  if (vnni()) name += "+VNNI";
  return name;
}

bool vnni() {
#if HWY_ARCH_X86
  return use_vnni.load(std::memory_order_relaxed);
#else
  return false;
#endif
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
#if HWY_ARCH_X86
  if (has_vnni()) names.emplace_back("VNNI");
#endif
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    names.emplace_back(hwy::TargetName(rest & -rest));
  }
  return names;
}

bool use_instruction_set(std::string_view name) {
  hwy::SetSupportedTargetsForTest(0);
  std::int64_t chosen = name.empty() || name == "VNNI" ? hwy::SupportedTargets() : 0;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    if (name == hwy::TargetName(rest & -rest)) chosen = rest & -rest;
  }
#if HWY_ARCH_X86
  use_vnni = has_vnni() && (name.empty() || name == "VNNI");
  if (name == "VNNI" && !has_vnni()) return false;
#endif
  if (chosen == 0) return false;
  hwy::SetSupportedTargetsForTest(chosen);
  hwy::GetChosenTarget().Update(chosen);
  if (name.empty()) hwy::SetSupportedTargetsForTest(0);
  return true;
}

}  // namespace fractal::kernels
#endif
