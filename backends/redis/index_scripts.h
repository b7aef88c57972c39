// What has to happen in one go, so that a mark is never there without the rows that it speaks of. A *write* has a token:
// how many there were in its epoch, and below 20 random bits. A server whose history is another's beginning (a replica
// that took over, a file that was loaded) has not the tokens of what it lost, even if others wrote there since.
#ifndef FRACTAL_BACKENDS_REDIS_INDEX_SCRIPTS_H
#define FRACTAL_BACKENDS_REDIS_INDEX_SCRIPTS_H

namespace fractal::redis_backend {

// KEYS: rows, raw, writes, epochs. ARGV: a write that must be there, or 0; 20 random bits; the epoch; then name and kind of
// each version. The token; nil: that write is not there. 8,192 are kept: who knows an older one reads the mark again.
inline constexpr const char* write_script = R"lua(
if ARGV[1] ~= '0' and not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return false end
for i = 4, #ARGV do
  local name, kind = string.sub(ARGV[i], 1, 32), string.sub(ARGV[i], 33)
  redis.call('ZREM', KEYS[1], name .. '0', name .. '1', name .. '2')
  redis.call('ZADD', KEYS[1], 0, ARGV[i])
  if kind == '1' then redis.call('ZADD', KEYS[2], 0, ARGV[i]) else redis.call('ZREM', KEYS[2], name .. '1') end
end
redis.call('ZADD', KEYS[4], 0, ARGV[3])
local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
local count = (tonumber(last[2]) or 0) + 1
local token = string.format('%.0f', count * 1048576 + tonumber(ARGV[2]))
redis.call('ZADD', KEYS[3], count, token)
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -8193)
return token
)lua";

// KEYS: marks, writes. ARGV: the mark's write; the epoch; the mark, whose end is `raw` and `again`: those stay set. 0: that
// write is not there.
inline constexpr const char* mark_script = R"lua(
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
local text, raw, again = string.match(ARGV[3], '^(.*) (%d) (%d)$')
local had_raw, had_again = string.match(redis.call('HGET', KEYS[1], ARGV[2]) or '', ' (%d) (%d)$')
if had_raw == '1' then raw = '1' end
if had_again == '1' then again = '1' end
redis.call('HSET', KEYS[1], ARGV[2], text .. ' ' .. raw .. ' ' .. again)
return 1
)lua";

// KEYS: marks. ARGV: the epoch; a sequence as 16 digits, whose order is that of the numbers. 0: the epoch has no mark.
inline constexpr const char* cleaned_script = R"lua(
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local had = redis.call('HGET', KEYS[1], 'c' .. ARGV[1])
if not had or had < ARGV[2] then redis.call('HSET', KEYS[1], 'c' .. ARGV[1], ARGV[2]) end
return 1
)lua";

// KEYS: rows. The vector of each.
inline constexpr const char* fetch_script = R"lua(
local found = {}
for i = 1, #KEYS do found[i] = redis.call('HGET', KEYS[i], 'vector') end
return found
)lua";

// KEYS: rows of an epoch. ARGV: for each memory the first name and the end. All members between them.
inline constexpr const char* versions_script = R"lua(
local found = {}
for i = 1, #ARGV, 2 do
  for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], ARGV[i], ARGV[i + 1])) do found[#found + 1] = member end
end
return found
)lua";

// KEYS: which FT index counts. ARGV: which did until now, or nothing; which does from now on. Which does.
inline constexpr const char* adopt_script = R"lua(
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return now end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
)lua";

}  // namespace fractal::redis_backend

#endif
