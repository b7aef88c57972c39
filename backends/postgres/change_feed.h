// What the server tells of commits (LISTEN), over a connection of its own, for whoever wants to follow.
#ifndef FRACTAL_BACKENDS_POSTGRES_CHANGE_FEED_H
#define FRACTAL_BACKENDS_POSTGRES_CHANGE_FEED_H

#include <fractal/backend.h>

#include "backends/postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace fractal::postgres_backend {

// Any thread. It connects when there is somebody to tell, and again for as long as it takes.
class ChangeFeed : public std::enable_shared_from_this<ChangeFeed> {
 public:
  explicit ChangeFeed(Server server);
  ~ChangeFeed();
  ChangeFeed(const ChangeFeed&) = delete;
  ChangeFeed& operator=(const ChangeFeed&) = delete;

  // Told as long as what is returned lives; when that has gone, not any more. It must not go in the listener itself.
  std::shared_ptr<void> add(ChangeListener listener);
  std::string problem() const;  // why it is not told; empty: it is

 private:
  class Listening;
  void remove(std::uint64_t number);
  void run();
  Result<void> listen_until_lost();
  void tell(std::uint64_t space, std::uint64_t sequence);
  void tell(const std::string& notice);
  void rest(std::chrono::milliseconds time);

  const Server server_;
  int wake_;  // an eventfd: readable once it shall stop
  mutable std::mutex mutex_;
  std::map<std::uint64_t, ChangeListener> listeners_{};
  std::uint64_t last_ = 0;
  std::string problem_{};
  std::atomic<bool> stopping_ = false;
  std::thread thread_{};
};

}  // namespace fractal::postgres_backend

#endif
