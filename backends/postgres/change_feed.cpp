// Invariant: a listener that misses a notice, for the connection was lost, is told that anything may have changed.
#include "backends/postgres/change_feed.h"

#include "src/error.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace fractal::postgres_backend {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_rest{100}, longest_rest{5'000};
constexpr milliseconds heartbeat{15'000};  // or a connection that leads nowhere would never be noticed
constexpr Statement still_there{"listen", "SELECT"};

}  // namespace

class ChangeFeed::Listening {
 public:
  Listening(std::shared_ptr<ChangeFeed> feed, std::uint64_t number) : feed_(std::move(feed)), number_(number) {}
  ~Listening() { feed_->remove(number_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  std::shared_ptr<ChangeFeed> feed_;
  std::uint64_t number_;
};

ChangeFeed::ChangeFeed(Server server) : server_(std::move(server)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

ChangeFeed::~ChangeFeed() {
  stopping_ = true;
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  ::close(wake_);
}

std::shared_ptr<void> ChangeFeed::add(ChangeListener listener) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = ++last_;
  auto listening = std::make_shared<Listening>(shared_from_this(), number);
  listeners_.emplace(number, std::move(listener));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  return listening;
}

void ChangeFeed::remove(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(number);
}

std::string ChangeFeed::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void ChangeFeed::tell(std::uint64_t space, std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, listener] : listeners_) listener(space, sequence);
}

// "space:sequence", or the space alone.
void ChangeFeed::tell(const std::string& notice) {
  const auto number = [](std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const std::string_view text(notice);
  const auto colon = std::min(text.find(':'), text.size());
  tell(number(text.substr(0, colon)), colon < text.size() ? number(text.substr(colon + 1)) : 0);
}

void ChangeFeed::run() {
  milliseconds pause = first_rest;
  while (!stopping_) {
    const auto begun = std::chrono::steady_clock::now();
    const auto lost = listen_until_lost();
    if (stopping_) return;
    {
      const std::lock_guard lock(mutex_);
      problem_ = lost ? "" : lost.error().message;
    }
    const bool lasted = std::chrono::steady_clock::now() - begun > longest_rest;
    pause = lasted ? first_rest : std::min(2 * pause, longest_rest);
    rest(pause);
  }
}

// Returns when it shall stop, or with what went wrong.
Result<void> ChangeFeed::listen_until_lost() {
  FRACTAL_TRY_INTO(const auto connection, Connection::open(server_));
  FRACTAL_TRY(connection->script("LISTEN fractal_changes", "listen"));
  tell(0, 0);  // what came before
  {
    const std::lock_guard lock(mutex_);
    problem_.clear();
  }
  auto asked = std::chrono::steady_clock::now();
  while (!stopping_) {
    FRACTAL_TRY_INTO(const auto notices, connection->notices(heartbeat, wake_));
    for (const std::string& notice : notices) tell(notice);
    if (std::chrono::steady_clock::now() - asked < heartbeat) continue;
    FRACTAL_TRY(connection->run(still_there));
    asked = std::chrono::steady_clock::now();
  }
  return {};
}

void ChangeFeed::rest(milliseconds time) {
  pollfd waiting{.fd = wake_, .events = POLLIN, .revents = 0};
  ::poll(&waiting, 1, static_cast<int>(time.count()));
}

}  // namespace fractal::postgres_backend
