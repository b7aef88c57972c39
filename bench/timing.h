// Comparing a job with its floor: the two alternate, so that what else the machine does hits both alike.
#ifndef FRACTAL_BENCH_TIMING_H
#define FRACTAL_BENCH_TIMING_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace fractal::bench {

template <class Work> double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

struct Pair {
  double job = 0, floor = 0;  // median seconds
  double ratio() const { return job / floor; }
};

template <class Job, class Floor> Pair side_by_side(int rounds, const Job& job, const Floor& floor) {
  std::vector<double> jobs, floors;
  for (int round = 0; round < rounds; ++round) {
    jobs.push_back(seconds(job));
    floors.push_back(seconds(floor));
  }
  return {median(std::move(jobs)), median(std::move(floors))};
}

}  // namespace fractal::bench

#endif
