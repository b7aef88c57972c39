// Counters of the server, as Prometheus reads them.
#ifndef FRACTAL_SRC_SERVER_METRICS_H
#define FRACTAL_SRC_SERVER_METRICS_H

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::server {

// One metric as Prometheus' text format has it; `type`: "gauge" or "counter".
void add_metric(std::string& text, std::string_view name, std::string_view type, std::string_view help, double value);

// Any thread. Never waits for the memory.
class Metrics {
 public:
  // `route`: the operation's path, or "" for none of them; it and `method` live as long as the program.
  void count(std::string_view method, std::string_view route, unsigned status, std::chrono::nanoseconds took);
  void connection(int change) noexcept { connections_ += change; }
  // `mode`: of a search that the memory was asked for; it lives as long as the program. `visited`: vectors compared.
  void searched(std::string_view mode, bool exact, std::uint64_t visited);
  // `kind`: "store", "patch", "delete", "link", "unlink", "batch" or "import"; it lives as long as the program.
  void wrote(std::string_view kind, std::uint64_t count = 1);
  void asked_cache(bool hit) noexcept { ++(hit ? cache_hits_ : cache_misses_); }
  void cache_failed() noexcept { ++cache_failures_; }
  void refused_by_rate() noexcept { ++rate_limited_; }

  // Counters and histograms; what is measured now is for the caller to add.
  std::string text() const;

 private:
  static constexpr std::array buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0};
  struct Series {
    std::array<std::uint64_t, buckets.size() + 1> counts{};
    double sum = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string_view, std::string_view>, Series> series_;
  std::map<std::pair<std::string_view, unsigned>, std::uint64_t> statuses_;
  std::map<std::pair<std::string_view, bool>, std::uint64_t> searches_;
  std::map<std::string_view, std::uint64_t> writes_;
  std::uint64_t visited_ = 0;
  std::atomic<std::int64_t> connections_{0};
  std::atomic<std::uint64_t> cache_hits_{0}, cache_misses_{0}, cache_failures_{0}, rate_limited_{0};
};

}  // namespace fractal::server

#endif
