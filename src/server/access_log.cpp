// Invariant: a line is written whole, and by one call.
#include "src/server/access_log.h"

#include "src/error.h"
#include "src/server/reply.h"

#include <fractal/types.h>

#include <cerrno>
#include <system_error>

namespace fractal::server {

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
  auto log = std::make_unique<AccessLog>();
  if (path == "-") log->file_ = stderr;
  if (path.empty() || path == "-") return log;
  log->own_.reset(std::fopen(path.c_str(), "ae"));
  if (!log->own_) { return make_error(Errc::io, "access log {}: {}", path, std::generic_category().message(errno)); }
  log->file_ = log->own_.get();
  return log;
}

void AccessLog::write(const AccessRecord& record) {
  if (file_ == nullptr) return;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const std::string line = Object()
                               .text("time", to_string(Time(now)))
                               .text("id", record.id)
                               .text("method", record.method)
                               .text("path", record.path)
                               .count("status", record.status)
                               .number("ms", std::chrono::duration<double, std::milli>(record.took).count())
                               .count("bytes_in", record.bytes_in)
                               .count("bytes_out", record.bytes_out)
                               .text("tenant", record.tenant)
                               .text("namespace", record.space)
                               .text("token", record.token)
                               .str() +
                           "\n";
  const std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), file_);
  std::fflush(file_);
}

}  // namespace fractal::server
