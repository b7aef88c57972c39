// Invariant: while the server is known not to answer, at most one caller waits for it; a connection that broke, or whose
// reply was not read to its end, is never used again.
#include "backends/redis/pool.h"

#include "src/error.h"

#include <algorithm>
#include <utility>

namespace fractal::redis_backend {
namespace {

constexpr std::chrono::milliseconds first_pause{50}, longest_pause{2'000};
constexpr int most_moves = 3;  // of a slot, during one call
constexpr std::string_view moved = "MOVED ";

bool any_moved(const std::vector<Reply>& replies) {
  return std::any_of(replies.begin(), replies.end(), [](const Reply& reply) { return reply.is_error(moved); });
}

}  // namespace

Result<bool> Pool::try_out() {
  bool refused = false;
  auto connection = connect(refused);
  if (!connection && refused) return std::move(connection).error();
  const std::lock_guard lock(mutex_);
  if (!connection) {
    fail(connection.error(), era_);
    return false;
  }
  idle_.push_back(std::move(*connection));
  ++open_;
  return true;
}

std::string Pool::problem() {
  const std::lock_guard lock(mutex_);
  return problem_;
}

// Where the slot is by now; if that node is gone, where the URL says.
Result<std::unique_ptr<Connection>> Pool::connect(bool& refused) {
  std::optional<Endpoint> endpoint;
  {
    const std::lock_guard lock(mutex_);
    endpoint = moved_;
  }
  if (endpoint) {
    auto connection = Connection::open(address_, *endpoint, limits_.connect_timeout, refused);
    if (connection) return connection;
    const std::lock_guard lock(mutex_);
    if (moved_ == endpoint) moved_.reset();
  }
  return Connection::open(address_, address_.endpoint, limits_.connect_timeout, refused);
}

// All of before lead to the same place.
void Pool::forget_idle() {
  ++era_;
  open_ -= idle_.size();
  idle_.clear();
  freed_.notify_all();
}

void Pool::fail(const Error& error, std::uint64_t era) {
  if (era != era_) return;
  forget_idle();
  problem_ = error.message;
  pause_ = std::clamp(2 * pause_, first_pause, longest_pause);
  silent_until_ = Clock::now() + pause_;
}

// Whatever ends the use of a connection that is not given back, an exception too.
void Pool::Leave::operator()(Pool* pool) const {
  const std::lock_guard lock(pool->mutex_);
  --pool->open_;
  pool->freed_.notify_one();
}

// `anew`: no connection that was there before.
Result<Pool::Lease> Pool::lease(bool anew, const Patience& patience) {
  const auto end_trial = [](Pool* pool) {
    const std::lock_guard lock(pool->mutex_);
    pool->trying_ = false;
  };
  Place place;  // these two are left after the lock
  std::unique_ptr<Pool, decltype(end_trial)> trial(nullptr, end_trial);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!problem_.empty() && (trying_ || Clock::now() < silent_until_)) {
      return make_error(Errc::unavailable, "{}; not asked again yet", problem_);
    }
    while (!anew && problem_.empty() && !idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->lies_idle()) return Lease{Place(this), std::move(connection), era_, true};
      --open_;
    }
    if (anew && open_ >= limits_.most_connections && !idle_.empty()) {
      idle_.pop_back();
      --open_;
    }
    if (open_ < limits_.most_connections) break;
    FRACTAL_TRY(patience.check(address_.endpoint));
    if (Clock::now() >= patience.until) {
      return make_error(Errc::unavailable, "{}: all {} connections are in use", name(), limits_.most_connections);
    }
    freed_.wait_until(lock, patience.next_check());
  }
  ++open_;
  place.reset(this);
  if (!problem_.empty()) {
    trying_ = true;
    trial.reset(this);
  }
  const std::uint64_t era = era_;
  lock.unlock();
  bool refused = false;
  auto connection = connect(refused);
  lock.lock();
  const bool tried = trial.release() != nullptr;
  if (tried) trying_ = false;
  if (!connection) {
    fail(connection.error(), era);
    return std::move(connection).error();
  }
  if (tried) {
    ++era_;
    problem_.clear();
  }
  return Lease{std::move(place), std::move(*connection), era_, false};
}

void Pool::give_back(Lease lease) {
  const std::lock_guard lock(mutex_);
  if (lease.era != era_) return;
  pause_ = {};
  idle_.push_back(std::move(lease.connection));
  (void)lease.place.release();
  freed_.notify_one();
}

// Whether the slot is elsewhere, and we go there.
bool Pool::follow(const std::vector<Reply>& replies, const Endpoint& from) {
  for (const Reply& reply : replies) {
    if (!reply.is_error(moved)) continue;
    const auto endpoint = endpoint_of(std::string_view(reply.text).substr(reply.text.rfind(' ') + 1), from);
    if (!endpoint) return false;
    const std::lock_guard lock(mutex_);
    if (moved_ != endpoint) {
      moved_ = endpoint;
      forget_idle();
    }
    return true;
  }
  return false;
}

Result<std::vector<Reply>> Pool::ask(std::span<const Command> commands, Repeat repeat, const Control* control,
                                     const std::atomic<bool>* stopping) {
  const auto patience = [&] { return Patience{Clock::now() + limits_.call_timeout, control, stopping}; };
  bool anew = false;
  for (int moves = 0;;) {
    FRACTAL_TRY_INTO(Lease taken, lease(anew, patience()));
    auto replies = taken.connection->ask(commands, patience());
    if (replies) {
      if (any_moved(*replies) && ++moves <= most_moves && follow(*replies, taken.connection->endpoint())) continue;
      // A primary once: who connects again may be led to the new one.
      if (std::any_of(replies->begin(), replies->end(), [](const Reply& reply) { return reply.is_read_only(); })) {
        const std::lock_guard lock(mutex_);
        forget_idle();
      }
      give_back(std::move(taken));
      return replies;
    }
    const auto state = taken.connection->state();
    const bool lost = state == Connection::State::lost;
    if (lost && !anew && repeat == Repeat::again) {
      anew = true;
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (state == Connection::State::silent || (lost && !taken.used_before)) fail(replies.error(), taken.era);
    return std::move(replies).error();
  }
}

}  // namespace fractal::redis_backend
