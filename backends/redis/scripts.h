// What has to happen in one go inside the server, and by its clock. Each names all of its keys, which have one hash tag.
//   a value     "u" and the bytes: goes by itself (PX), or for others (volatile-lru)
//               "k", 14 digits, and the bytes: stays until that time, in milliseconds since 1970. Redis gives such a key no
//               time of its own, for what has one may be thrown out. They stand in a sorted set, by that time, and whoever
//               puts another one removes those that are over.
//   a bucket    "tokens time rate burst", time in microseconds since 1970; goes by itself when it would be full
#ifndef FRACTAL_BACKENDS_REDIS_SCRIPTS_H
#define FRACTAL_BACKENDS_REDIS_SCRIPTS_H

namespace fractal::redis_backend {

inline constexpr char mark_used = 'u', mark_kept = 'k';
inline constexpr int time_digits = 14;

// KEYS: the value, the sorted set. ARGV: the bytes, its life in milliseconds.
inline constexpr const char* keep_script = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
  local head = redis.call('GETRANGE', key, 0, 14)
  if string.sub(head, 1, 1) == 'k' and tonumber(string.sub(head, 2)) <= now then redis.call('UNLINK', key) end
  redis.call('ZREM', KEYS[2], key)
end
local over = now + ARGV[2]
redis.call('SET', KEYS[1], 'k' .. string.format('%014d', over) .. ARGV[1])
redis.call('ZADD', KEYS[2], over, KEYS[1])
return 1
)lua";

// KEYS: the value, the sorted set. 1: it was there.
inline constexpr const char* erase_script = R"lua(
local head = redis.call('GETRANGE', KEYS[1], 0, 14)
if head == '' then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('ZREM', KEYS[2], KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if string.sub(head, 1, 1) == 'k' and tonumber(string.sub(head, 2)) <= now then return 0 end
return 1
)lua";

// KEYS: the bucket. ARGV: tokens a second, burst. Whether one was granted, and what is left. A clock that goes back gives
// nothing.
inline constexpr const char* take_script = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = burst
local known = redis.call('GET', KEYS[1])
if known then
  local had, at, its_rate, its_burst = string.match(known, '^(%S+) (%S+) (%S+) (%S+)$')
  tokens = math.min(burst, tonumber(its_burst), had + math.max(0, now - at) / 1000000 * its_rate)
end
local granted = 0
if tokens >= 1 then
  tokens = tokens - 1
  granted = 1
end
local month = 30 * 86400000
local life = month
if rate > 0 then life = math.min(month, math.ceil((burst - tokens) / rate * 1000)) end
redis.call('SET', KEYS[1], string.format('%.17g %.17g %.17g %.17g', tokens, now, rate, burst), 'PX', math.max(life, 1))
return {granted, string.format('%.17g', tokens)}
)lua";

}  // namespace fractal::redis_backend

#endif
