// Invariant: labels come from the table of operations alone, so their number is bounded whatever clients send.
#include "src/server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace fractal::server {

void Metrics::count(std::string_view method, std::string_view route, unsigned status, std::chrono::nanoseconds took) {
  const double seconds = std::chrono::duration<double>(took).count();
  const auto bucket =
      static_cast<std::size_t>(std::lower_bound(buckets.begin(), buckets.end(), seconds) - buckets.begin());
  const std::lock_guard lock(mutex_);
  Series& series = series_[{method, route}];
  ++series.counts[bucket];
  series.sum += seconds;
  ++statuses_[{route, status}];
}

std::string Metrics::text() const {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 "# HELP fractal_connections Open connections.\n# TYPE fractal_connections gauge\n"
                 "fractal_connections {}\n",
                 connections_.load());
  const std::lock_guard lock(mutex_);
  text += "# HELP fractal_http_requests_total Answered requests.\n# TYPE fractal_http_requests_total counter\n";
  for (const auto& [key, count] : statuses_) {
    fmt::format_to(out, "fractal_http_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
  }
  text +=
      "# HELP fractal_http_request_seconds From the end of a request's headers to the end of its answer.\n"
      "# TYPE fractal_http_request_seconds histogram\n";
  for (const auto& [key, series] : series_) {
    const std::string labels = fmt::format("method=\"{}\",route=\"{}\"", key.first, key.second);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      total += series.counts[i];
      fmt::format_to(out, "fractal_http_request_seconds_bucket{{{},le=\"{}\"}} {}\n", labels, buckets[i], total);
    }
    total += series.counts.back();
    fmt::format_to(out, "fractal_http_request_seconds_bucket{{{},le=\"+Inf\"}} {}\n", labels, total);
    fmt::format_to(out, "fractal_http_request_seconds_sum{{{}}} {}\n", labels, series.sum);
    fmt::format_to(out, "fractal_http_request_seconds_count{{{}}} {}\n", labels, total);
  }
  return text;
}

}  // namespace fractal::server
