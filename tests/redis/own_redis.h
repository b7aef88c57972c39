// A Redis of a test's own, on a socket or a port, that can be killed and come back.
#ifndef FRACTAL_TESTS_REDIS_OWN_REDIS_H
#define FRACTAL_TESTS_REDIS_OWN_REDIS_H

#include "tests/temporary_folder.h"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fractal::testing {

class OwnRedis {
 public:
  // `words`: more of redis-server's; `port`: 0 for the socket alone; `program`: another redis-server.
  explicit OwnRedis(std::vector<std::string> words = {}, std::uint16_t port = 0, std::string program = "redis-server");
  ~OwnRedis();
  OwnRedis(const OwnRedis&) = delete;
  OwnRedis& operator=(const OwnRedis&) = delete;

  std::string socket() const { return folder_.file("socket"); }
  std::string url() const { return "redis+unix://" + socket(); }
  // What redis-cli prints; a word is passed on as it is.
  std::string ask(const std::vector<std::string>& words) const;

  void start();  // returns when it answers
  void kill();   // -9; what it had is gone, unless it is told to keep it
  void freeze(bool frozen) const;

 private:
  TemporaryFolder folder_{};
  std::vector<std::string> words_;
  std::uint16_t port_;
  std::string program_;
  pid_t process_ = -1;
};

// From 10,000 to 19,999.
std::uint16_t free_port();

}  // namespace fractal::testing

#endif
