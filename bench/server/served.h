// The program `fractal serve` on a database, as long as this lives.
#ifndef FRACTAL_BENCH_SERVER_SERVED_H
#define FRACTAL_BENCH_SERVER_SERVED_H

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fractal::bench {

class Served {
 public:
  // On any free port of the loopback address, for bearer_token, every write durable; `flags`: more of serve's. Call it
  // before this process has threads.
  Served(const std::string& program, const std::string& database, const std::vector<std::string>& flags);
  ~Served();
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  double processor_seconds() const;  // that its threads have used

 private:
  pid_t child_ = -1;
  std::uint16_t port_ = 0;
};

double processor_seconds_of(pid_t process);  // 0: this one

}  // namespace fractal::bench

#endif
