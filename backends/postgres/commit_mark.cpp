// Invariant: true and false are certain; what is not is an error.
#include "backends/postgres/commit_mark.h"

#include "backends/postgres/statements.h"
#include "src/error.h"

#include <chrono>
#include <random>
#include <thread>

namespace fractal::postgres_backend {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{100};

bool holds(std::string_view tokens, std::string_view token) {
  for (; tokens.size() >= token.size(); tokens.remove_prefix(token.size())) {
    if (tokens.starts_with(token)) return true;
  }
  return false;
}

Error unknown(const Pool& pool, std::string_view why) {
  return make_error(Errc::unavailable,
                    "{}: commit: the connection went before the answer came, and {}: whether it was "
                    "written is not known",
                    pool.server().name, why);
}

}  // namespace

std::string make_token() {
  thread_local std::mt19937_64 random{(std::uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  const std::uint64_t number = random();
  return {reinterpret_cast<const char*>(&number), token_bytes};
}

Result<bool> was_committed(Pool& pool, const CommitMark& mark) {
  if (mark.space == 0) return unknown(pool, "no space changed");
  const auto end = Clock::now() + pool.server().call_timeout;
  for (;;) {
    auto lease = pool.lease();
    auto rows = lease ? (**lease).run(sql::lock_commits, Values(mark.space)) : Result<Rows>(lease.error());
    if (!rows) {  // the server is not back yet, or the transaction still holds the row
      if (Clock::now() >= end) return unknown(pool, rows.error().message);
      std::this_thread::sleep_for(between_looks);
      continue;
    }
    if (rows->count() == 0) return unknown(pool, "the space is gone");
    const std::string_view tokens = rows->bytes(0, 1);
    if (holds(tokens, mark.token)) return true;
    const std::uint64_t since = rows->natural(0, 0) - mark.commits;
    if (since * token_bytes <= tokens.size()) return false;
    return unknown(pool, "too much was written since");
  }
}

}  // namespace fractal::postgres_backend
