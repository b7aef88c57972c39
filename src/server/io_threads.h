// Threads that wait for the sockets, each with a loop of its own: a connection stays with one of them, so that what it
// does next needs no lock and wakes nobody up.
#ifndef FRACTAL_SRC_SERVER_IO_THREADS_H
#define FRACTAL_SRC_SERVER_IO_THREADS_H

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

namespace fractal::server {

class IoThreads {
 public:
  explicit IoThreads(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<Loop>());
  }
  ~IoThreads() { stop(); }
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  // They take turns. What is given to one executor runs in one thread, in order. Any thread.
  boost::asio::io_context::executor_type next() { return loops_[turn_++ % loops_.size()]->context.get_executor(); }

  void start() {
    for (const auto& loop : loops_) {
      loop->thread = std::thread([loop = loop.get()] { loop->context.run(); });
    }
  }

  // When it has returned, nothing runs any more, and nothing will.
  void stop() {
    for (const auto& loop : loops_) loop->context.stop();
    for (const auto& loop : loops_) {
      if (loop->thread.joinable()) loop->thread.join();
    }
  }

 private:
  struct Loop {
    boost::asio::io_context context{1};  // one thread runs it
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
    std::thread thread{};
  };
  std::vector<std::unique_ptr<Loop>> loops_{};
  std::atomic<std::size_t> turn_{0};
};

}  // namespace fractal::server

#endif
