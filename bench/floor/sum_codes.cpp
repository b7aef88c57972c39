// Invariant: every byte is loaded once and added once; nothing else is done.
#include "floor/sum_codes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/floor/sum_codes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fractal::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

std::uint64_t sum_codes(const std::uint8_t* codes, std::size_t count) {
  const hn::ScalableTag<std::uint8_t> d;
  const hn::Repartition<std::uint64_t, decltype(d)> d64;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d64), sum1 = hn::Zero(d64), sum2 = hn::Zero(d64), sum3 = hn::Zero(d64);
  for (std::size_t i = 0; i < count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, hn::SumsOf8(hn::Load(d, codes + i)));
    sum1 = hn::Add(sum1, hn::SumsOf8(hn::Load(d, codes + i + lanes)));
    sum2 = hn::Add(sum2, hn::SumsOf8(hn::Load(d, codes + i + 2 * lanes)));
    sum3 = hn::Add(sum3, hn::SumsOf8(hn::Load(d, codes + i + 3 * lanes)));
  }
  return hn::GetLane(hn::SumOfLanes(d64, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
}

}  // namespace fractal::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fractal::bench {
namespace {
HWY_EXPORT(sum_codes);
}
std::uint64_t sum_codes(const std::uint8_t* codes, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(sum_codes)(codes, count);
}
}  // namespace fractal::bench
#endif
