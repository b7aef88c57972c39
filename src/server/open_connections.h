// The connections there are, so that they can be told to end.
#ifndef FRACTAL_SRC_SERVER_OPEN_CONNECTIONS_H
#define FRACTAL_SRC_SERVER_OPEN_CONNECTIONS_H

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>

namespace fractal::server {

// Any thread.
class OpenConnections {
 public:
  // Is in the list as long as it lives.
  class Entry {
   public:
    // `close` ends the connection from any thread, at once.
    Entry(OpenConnections& all, std::function<void()> close);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    // Between requests. False: the server is stopping.
    bool idle(bool is_idle);

   private:
    friend class OpenConnections;
    struct State {
      std::function<void()> close;
      bool idle = true;
    };
    OpenConnections& all_;
    std::list<State>::iterator place_;
  };

  std::size_t count() const;
  bool stopping() const;
  // Ends those between requests, waits for the others at most for `patience`, and then gives up: calls `give_up`, ends
  // them too, and waits until the list is empty.
  void stop(std::chrono::milliseconds patience, const std::function<void()>& give_up);

 private:
  mutable std::mutex mutex_;
  std::condition_variable gone_;
  std::list<Entry::State> list_;
  bool stopping_ = false;
};

}  // namespace fractal::server

#endif
