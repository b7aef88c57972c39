// What the token buckets of all caches have in common.
#ifndef FRACTAL_SRC_SERVER_TOKEN_BUCKET_H
#define FRACTAL_SRC_SERVER_TOKEN_BUCKET_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace fractal {

// Until a bucket with so many tokens, fewer than one, has one.
inline std::chrono::milliseconds wait_for_token(double tokens, double per_second) {
  constexpr double most = 86'400;  // of a rate that is nearly nothing
  const double seconds = per_second > 0 ? std::min((1 - tokens) / per_second, most) : most;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(1000 * seconds)));
}

}  // namespace fractal

#endif
