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

void Metrics::searched(std::string_view mode, bool exact, std::uint64_t visited) {
  const std::lock_guard lock(mutex_);
  ++searches_[{mode, exact}];
  visited_ += visited;
}

void Metrics::wrote(std::string_view kind, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  writes_[kind] += count;
}

void add_metric(std::string& text, std::string_view name, std::string_view type, std::string_view help, double value) {
  fmt::format_to(std::back_inserter(text), "# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
}

std::string Metrics::text() const {
  std::string text;
  const auto out = std::back_inserter(text);
  add_metric(text, "fractal_connections", "gauge", "Open connections.", static_cast<double>(connections_));
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    add_metric(text, name, "counter", help, static_cast<double>(value));
  };
  counter("fractal_kept_answers_total", "Searches answered from the cache.", cache_hits_);
  counter("fractal_missed_answers_total", "Searches that the cache had no answer for.", cache_misses_);
  counter("fractal_cache_failures_total", "Calls that the cache did not answer.", cache_failures_);
  counter("fractal_rate_limited_total", "Requests refused by a rate limit.", rate_limited_);
  const std::lock_guard lock(mutex_);
  counter("fractal_vectors_compared_total", "By searches.", visited_);
  text += "# HELP fractal_writes_total Memories and links written.\n# TYPE fractal_writes_total counter\n";
  for (const auto& [kind, count] : writes_) {
    fmt::format_to(out, "fractal_writes_total{{kind=\"{}\"}} {}\n", kind, count);
  }
  text += "# HELP fractal_searches_total Searches in the memory.\n# TYPE fractal_searches_total counter\n";
  for (const auto& [key, count] : searches_) {
    fmt::format_to(out, "fractal_searches_total{{mode=\"{}\",exact=\"{}\"}} {}\n", key.first, key.second, count);
  }
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
