// Which ef a recall target needs on the vectors of one generation.
#ifndef FRACTAL_BACKENDS_HNSW_CALIBRATION_H
#define FRACTAL_BACKENDS_HNSW_CALIBRATION_H

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace fractal::hnsw {

class Calibration {
 public:
  static constexpr std::size_t k = 10;
  struct Step {
    float ef = 0;
    float recall = 0;   // recall@10, mean of the kind of questions that has the least `low`
    float low = 0;      // of the one-sided 95 % confidence interval of that mean
    float visited = 0;  // distances computed, mean
  };
  // One question asked with an ef: the share of its true ten that came back, and the distances that it took.
  struct Answer {
    double recall = 0;
    std::size_t visited = 0;
  };
  using Ask = std::function<Answer(std::size_t question, std::size_t ef)>;

  Calibration() = default;
  explicit Calibration(std::vector<Step> steps) : steps_(std::move(steps)) {}  // rising ef
  // Asks all questions with rising ef, until practically nothing is missed. `kinds`: how many there are of each kind,
  // one kind behind the other.
  static Calibration measure(std::span<const std::size_t> kinds, const Ask& ask);

  // The step with the least ef of which `low` reaches the target; null: none does.
  const Step* step_for(double recall) const;
  std::span<const Step> steps() const { return steps_; }

 private:
  std::vector<Step> steps_;
};

}  // namespace fractal::hnsw

#endif
