// Invariant: a value is given back whole and as it was put, or not at all; one that must stay is there until it is over or
// erased, as long as the server has its data. Every key begins with the prefix as a hash tag, whatever a caller's is.
#include "backends/redis/pool.h"
#include "backends/redis/scripts.h"
#include "src/error.h"
#include "src/server/token_bucket.h"

#include <fractal/redis.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace fractal {
namespace {

using redis_backend::Address;
using redis_backend::address_of;
using redis_backend::check_limits;
using redis_backend::Command;
using redis_backend::erase_script;
using redis_backend::keep_script;
using redis_backend::mark_kept;
using redis_backend::mark_used;
using redis_backend::Pool;
using redis_backend::Reply;
using redis_backend::take_script;
using redis_backend::time_digits;

constexpr std::size_t most_kept = 1u << 20;  // bytes of a key with its value
constexpr std::chrono::milliseconds longest_life = std::chrono::hours(24) * 3'650;

// A server out of memory, in the words of Redis 7 and of those before.
bool is_full(const Reply& reply) {
  return reply.kind == Reply::Kind::error && reply.text.find("OOM command not allowed") != std::string::npos;
}

// What was sent by a connection that broke may still be done, later: a value that is put twice could come back after it
// was erased. So only what reads is repeated, and a token at the most is taken twice.
class RedisCache final : public Cache {
 public:
  RedisCache(Address address, Pool::Limits limits, const std::string& prefix)
      : pool_(std::move(address), limits), tag_("{" + prefix + "}"), kept_(tag_ + "kept") {}

  Result<bool> try_out() { return pool_.try_out(); }

  Result<std::optional<std::string>> get(std::string_view key) override {
    const std::string name = value_key(key);
    const std::array<Command, 2> commands{Command{{"GET", name}}, Command{{"TIME"}}};
    FRACTAL_TRY_INTO(auto replies, pool_.ask(commands, Pool::Repeat::again));
    FRACTAL_TRY(good("get", replies[0]));
    FRACTAL_TRY(good("get", replies[1]));
    std::string& value = replies[0].text;
    if (value.starts_with(mark_used)) {
      value.erase(0, 1);
    } else if (value.starts_with(mark_kept) && value.size() > time_digits && !is_over(value, replies[1])) {
      value.erase(0, 1 + time_digits);
    } else {
      return std::optional<std::string>();
    }
    return std::optional(std::move(value));
  }

  Result<void> put(std::string_view key, std::string_view value, std::chrono::milliseconds life, Keep keep) override {
    if (life <= std::chrono::milliseconds(0)) {
      FRACTAL_TRY(erase(key));
      return {};
    }
    const bool large = key.size() + value.size() > most_kept;
    if (large && keep == Keep::until_over) {
      return make_error(Errc::unavailable, "{}: put: {} bytes are more than {}", pool_.name(),
                        key.size() + value.size(), most_kept);
    }
    const std::string time = fmt::to_string(std::min(life, longest_life).count());
    return keep == Keep::until_over ? put_kept(key, value, time) : put_used(key, value, time, large);
  }

  Result<bool> erase(std::string_view key) override {
    const std::string name = value_key(key);
    FRACTAL_TRY_INTO(const Reply reply, ask("erase", {{"2", name, kept_}, erase_script}, Pool::Repeat::never));
    return reply.number != 0;
  }

  Result<Taken> take(std::string_view key, const Bucket& bucket) override {
    const double burst = std::max(1.0, bucket.burst);
    const std::string name = fmt::format("{}bucket:{}", tag_, key),
                      rate_text = fmt::format("{:.17g}", bucket.per_second), burst_text = fmt::format("{:.17g}", burst);
    FRACTAL_TRY_INTO(const Reply reply,
                     ask("take", {{"1", name, rate_text, burst_text}, take_script}, Pool::Repeat::again));
    if (reply.kind != Reply::Kind::list || reply.list.size() != 2) {
      return make_error(Errc::unavailable, "{}: take: not the reply of our script", pool_.name());
    }
    const bool granted = reply.list[0].number != 0;
    const double left = std::strtod(reply.list[1].text.c_str(), nullptr);
    return Taken{granted, left, granted ? std::chrono::milliseconds(0) : wait_for_token(left, bucket.per_second)};
  }

  bool may_wait() const override { return true; }

 private:
  std::string value_key(std::string_view key) const { return fmt::format("{}value:{}", tag_, key); }

  Error refused(std::string_view operation, const Reply& reply) const {
    return make_error(Errc::unavailable, "{}: {}: {}", pool_.name(), operation, reply.text);
  }
  Result<void> good(std::string_view operation, const Reply& reply) const {
    if (reply.kind == Reply::Kind::error) return refused(operation, reply);
    return {};
  }
  Result<Reply> ask(std::string_view operation, const Command& command, Pool::Repeat repeat) {
    FRACTAL_TRY_INTO(auto replies, pool_.ask({&command, 1}, repeat));
    FRACTAL_TRY(good(operation, replies.front()));
    return std::move(replies.front());
  }

  Result<void> put_kept(std::string_view key, std::string_view value, std::string_view life) {
    const std::string name = value_key(key);
    FRACTAL_TRY(ask("put", {{"2", name, kept_, value, life}, keep_script}, Pool::Repeat::never));
    return {};
  }

  // Where there is no room for it, it is gone at once: with what was there before.
  Result<void> put_used(std::string_view key, std::string_view value, std::string_view life, bool large) {
    const std::string name = value_key(key);
    if (!large) {
      std::string marked(1, mark_used);
      marked += value;
      const Command set{{"SET", name, marked, "PX", life}};
      FRACTAL_TRY_INTO(const auto replies, pool_.ask({&set, 1}, Pool::Repeat::never));
      if (!is_full(replies.front())) return good("put", replies.front());
    }
    FRACTAL_TRY(ask("put", {{"UNLINK", name}}, Pool::Repeat::never));
    return {};
  }

  // By the server's clock. What cannot be read is over.
  static bool is_over(std::string_view value, const Reply& time) {
    std::int64_t over = 0, seconds = 0, micros = 0;
    const auto read = [](std::string_view text, std::int64_t& number) {
      return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
    };
    const bool readable = time.list.size() == 2 && read(value.substr(1, time_digits), over) &&
                          read(time.list[0].text, seconds) && read(time.list[1].text, micros);
    return !readable || over <= 1'000 * seconds + micros / 1'000;
  }

  Pool pool_;
  const std::string tag_, kept_;
};

}  // namespace

Result<std::shared_ptr<Cache>> open_redis_cache(const RedisOptions& options) {
  FRACTAL_TRY_INTO(Address address, address_of(options.url));
  const std::string prefix = address.prefix.value_or(options.prefix);
  const auto call_timeout =
      address.call_timeout ? std::chrono::milliseconds(*address.call_timeout) : options.call_timeout;
  FRACTAL_TRY(check_limits(prefix, options.most_connections, {options.connect_timeout, call_timeout}));
  if (address.is_of_index()) {
    return Error{Errc::invalid_argument,
                 "redis: wait, grace, queue_bytes and most_scanned are settings of an index, not of a cache"};
  }
  const Pool::Limits limits{options.most_connections, options.connect_timeout, call_timeout};
  auto cache = std::make_shared<RedisCache>(std::move(address), limits, prefix);
  FRACTAL_TRY(cache->try_out());  // that nobody answers is not for now
  return std::shared_ptr<Cache>(std::move(cache));
}

Result<std::shared_ptr<Cache>> open_redis_url(const std::string& url) { return open_redis_cache({.url = url}); }

}  // namespace fractal
