// The connections of one storage: at most so many, kept for the next who needs one.
#ifndef FRACTAL_BACKENDS_POSTGRES_POOL_H
#define FRACTAL_BACKENDS_POSTGRES_POOL_H

#include "backends/postgres/connection.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace fractal::postgres_backend {

class Pool;

// A connection borrowed from the pool; goes back if it is good for another use.
class Lease {
 public:
  Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection);
  ~Lease();
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  Connection& operator*() const noexcept { return *connection_; }
  Connection* operator->() const noexcept { return connection_.get(); }

 private:
  std::shared_ptr<Pool> pool_;
  std::unique_ptr<Connection> connection_;
};

// Any thread.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(Server server, std::size_t most) : server_(std::move(server)), most_(most) {}

  // Waits for a free one as long as it may take to connect; then `unavailable`.
  Result<Lease> lease();
  const Server& server() const noexcept { return server_; }
  std::string problem() const;  // why the last attempt to connect failed; empty: it did not

 private:
  friend class Lease;
  void give_back(std::unique_ptr<Connection> connection) noexcept;
  std::unique_ptr<Connection> take_idle();
  Result<std::unique_ptr<Connection>> good_one(std::unique_ptr<Connection> idle);

  const Server server_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Connection>> idle_{};
  std::size_t used_ = 0;
  std::string problem_{};
};

}  // namespace fractal::postgres_backend

#endif
