// Invariant: what is promised of an ef is the lower end of a confidence interval, never the mean.
#include "backends/hnsw/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fractal::hnsw {
namespace {

constexpr std::array<std::size_t, 14> ladder{16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768};
constexpr double enough = 0.9995;
constexpr double normal_95 = 1.645;

}  // namespace

Calibration Calibration::measure(std::size_t questions, const Ask& ask) {
  std::vector<Step> steps;
  if (questions == 0) return Calibration{};
  const auto n = static_cast<double>(questions);
  for (const std::size_t ef : ladder) {
    double sum = 0, squares = 0, visited = 0;
    for (std::size_t i = 0; i < questions; ++i) {
      const Answer answer = ask(i, ef);
      sum += answer.recall;
      squares += answer.recall * answer.recall;
      visited += static_cast<double>(answer.visited);
    }
    const double mean = sum / n;
    // Answers that are all right say little of the rest: no less than one miss in all is assumed.
    const double variance = std::max(squares / n - mean * mean, 1.0 / (k * k * n));
    const double low = mean - normal_95 * std::sqrt(variance / n);
    steps.push_back(
        {static_cast<float>(ef), static_cast<float>(mean), static_cast<float>(low), static_cast<float>(visited / n)});
    if (low >= enough) break;
  }
  return Calibration(std::move(steps));
}

const Calibration::Step* Calibration::step_for(double recall) const {
  const auto found =
      std::find_if(steps_.begin(), steps_.end(), [recall](const Step& step) { return step.low >= recall; });
  return found != steps_.end() ? &*found : nullptr;
}

}  // namespace fractal::hnsw
