// Invariant: what is promised of an ef is the lower end of a confidence interval, never the mean, and of the
// kind of questions that is served worst.
#include "backends/hnsw/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace fractal::hnsw {
namespace {

constexpr std::array<std::size_t, 14> ladder{16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768};
constexpr double enough = 0.9995;
constexpr double normal_95 = 1.645;

Calibration::Step ask_kind(std::size_t first, std::size_t count, std::size_t ef, const Calibration::Ask& ask) {
  const auto n = static_cast<double>(count);
  double sum = 0, squares = 0, visited = 0;
  for (std::size_t i = first; i < first + count; ++i) {
    const Calibration::Answer answer = ask(i, ef);
    sum += answer.recall;
    squares += answer.recall * answer.recall;
    visited += static_cast<double>(answer.visited);
  }
  const double mean = sum / n;
  // Answers that are all right say little of the rest: no less than one miss in all is assumed.
  const double variance = std::max(squares / n - mean * mean, 1.0 / (Calibration::k * Calibration::k * n));
  const double low = mean - normal_95 * std::sqrt(variance / n);
  return {static_cast<float>(ef), static_cast<float>(mean), static_cast<float>(low), static_cast<float>(visited / n)};
}

}  // namespace

Calibration Calibration::measure(std::span<const std::size_t> kinds, const Ask& ask) {
  std::vector<Step> steps;
  for (const std::size_t ef : ladder) {
    std::optional<Step> worst;
    std::size_t first = 0;
    for (const std::size_t count : kinds) {
      if (count == 0) continue;
      const Step step = ask_kind(first, count, ef, ask);
      if (!worst || step.low < worst->low) worst = step;
      first += count;
    }
    if (!worst) break;
    steps.push_back(*worst);
    if (worst->low >= enough) break;
  }
  return Calibration(std::move(steps));
}

const Calibration::Step* Calibration::step_for(double recall) const {
  const auto found =
      std::find_if(steps_.begin(), steps_.end(), [recall](const Step& step) { return step.low >= recall; });
  return found != steps_.end() ? &*found : nullptr;
}

}  // namespace fractal::hnsw
