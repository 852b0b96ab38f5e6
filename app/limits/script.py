"""The sliding window, decided in Redis by its own clock.

A counter for each tenth of a window; of the eleventh, oldest one, only the part that still overlaps the window counts.
Measured against a log of every request (`tests/app/limits`): even traffic is allowed to one percent, for limits from
100 on; one previous and one current counter came to 2.4 %. Whatever somebody tries, no more than the limit pass in any
nine tenths of a window; with two counters, twice the limit pass within a moment.
"""

from __future__ import annotations

from app.cache.store import Script

SLIDING_WINDOW = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local PARTS = 10
local states, replies, denied = {}, {}, false
for i, key in ipairs(KEYS) do
  local limit, part = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]) / PARTS
  local index, elapsed = math.floor(now / part), now % part
  local counts = {}
  for k = 0, PARTS do counts[k] = 0 end
  local kept = redis.call('GET', key)
  if kept then
    local k
    for number in string.gmatch(kept, '%d+') do
      if not k then
        k = math.max(0, index - number)
        index = math.max(index, tonumber(number))
      else
        if k <= PARTS then counts[k] = tonumber(number) end
        k = k + 1
      end
    end
  end
  local whole = 0
  for k = 0, PARTS - 1 do whole = whole + counts[k] end
  local used = whole * part + counts[PARTS] * (part - elapsed)
  local wait = 0
  if used > (limit - 1) * part then
    denied = true
    local ending = PARTS
    while whole > limit - 1 do
      ending = ending - 1
      whole = whole - counts[ending]
    end
    local gone = part - math.floor((limit - 1 - whole) * part / counts[ending])
    wait = math.max(1, (PARTS - ending) * part + gone - elapsed)
  end
  states[i] = {index, counts, (PARTS + 1) * part - elapsed}
  replies[i] = {wait == 0 and 1 or 0, math.max(0, math.floor(limit - used / part)), wait}
end
if denied then return replies end
for i, key in ipairs(KEYS) do
  local index, counts, life = unpack(states[i])
  counts[0] = counts[0] + 1
  redis.call('SET', key, string.format('%d ', index) .. table.concat(counts, ' ', 0, PARTS), 'PX', life)
  replies[i][2] = replies[i][2] - 1
end
return replies
""")
"""Keys: counters. Arguments: limit, and window in ms (divisible by ten), for each. Replies for each: whether it allows,
how many are left after this request, ms to wait. Denied requests do not count: who waits as told gets in.
After a failover the clock may stand a little earlier; the newer counters hold on.
"""
