// A line of JSON for each request. No payload, no question, no token: a path with its query left out.
#ifndef FRACTAL_SRC_SERVER_ACCESS_LOG_H
#define FRACTAL_SRC_SERVER_ACCESS_LOG_H

#include <fractal/result.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace fractal::server {

struct AccessRecord {
  std::string_view id, method, path, tenant, space, token;
  unsigned status = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::chrono::nanoseconds took{0};
};

// Any thread.
class AccessLog {
 public:
  // "-": standard error; empty: nothing is written.
  static Result<std::unique_ptr<AccessLog>> open(const std::string& path);
  void write(const AccessRecord& record);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::mutex mutex_;
  std::unique_ptr<std::FILE, Close> own_;
  std::FILE* file_ = nullptr;
};

}  // namespace fractal::server

#endif
