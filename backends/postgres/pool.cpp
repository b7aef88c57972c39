// Invariant: used_ counts the leases there are; together with the idle ones they are never more than most_.
#include "backends/postgres/pool.h"

#include "src/error.h"

#include <utility>

namespace fractal::postgres_backend {
namespace {
// A connection that lay idle for longer may have been cut by what lies between: it is asked first.
constexpr std::chrono::seconds trusted{5};
}  // namespace

Lease::Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {}

Lease::~Lease() {
  if (connection_) pool_->give_back(std::move(connection_));
}

Result<Lease> Pool::lease() {
  std::unique_ptr<Connection> idle;
  {
    std::unique_lock lock(mutex_);
    if (!free_.wait_for(lock, server_.connect_timeout, [&] { return used_ < most_; })) {
      return make_error(Errc::unavailable, "{}: all {} connections are in use", server_.name, most_);
    }
    ++used_;
    idle = take_idle();
  }
  auto connection = good_one(std::move(idle));
  if (connection) return Lease(shared_from_this(), std::move(*connection));
  const std::lock_guard lock(mutex_);
  --used_;
  free_.notify_one();
  problem_ = connection.error().message;
  return std::move(connection).error();
}

std::unique_ptr<Connection> Pool::take_idle() {
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

Result<std::unique_ptr<Connection>> Pool::good_one(std::unique_ptr<Connection> idle) {
  while (idle) {
    const bool alive = idle->alive();
    if (alive && std::chrono::steady_clock::now() - idle->used_at() < trusted) return idle;
    if (alive && idle->run({"ask whether it is there", "SELECT"})) return idle;
    const std::lock_guard lock(mutex_);
    idle = take_idle();
  }
  FRACTAL_TRY_INTO(auto connection, Connection::open(server_));
  const std::lock_guard lock(mutex_);
  problem_.clear();
  return connection;
}

void Pool::give_back(std::unique_ptr<Connection> connection) noexcept {
  const bool good = connection->end_use();
  const std::lock_guard lock(mutex_);
  --used_;
  try {
    if (good) idle_.push_back(std::move(connection));
  } catch (const std::exception&) {  // no memory for the list: closed
  }
  free_.notify_one();
}

std::string Pool::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

}  // namespace fractal::postgres_backend
