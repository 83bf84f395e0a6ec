-- A supplier's gate: the same arithmetic as `supplier_sync_core::gate`, in one step for all instances.
-- KEYS: the gate. ARGV: what (ask, spend, hear), now in ms (empty: Redis's own), the bucket's size and what comes back in
-- a minute, the breaker's window, calls, percent, time open and time of a probe, whether the breaker stops this class, what
-- the class leaves alone in thousandths, the path, how a call ended (1 well, 0 not, empty: not told), and what the supplier
-- said: name (with a dot before it), left, of, for how long; good answers that close the breaker; what stands before the names
-- of the breaker's fields; how much later the class asks whoever said that nothing is left. Answers 0 go, 1 wait or 2 open; for how long; whether it is open.
local key, what = KEYS[1], ARGV[1]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local burst, per_minute = tonumber(ARGV[3]), tonumber(ARGV[4])
local window, calls_min, percent = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local open_for, probe_for = tonumber(ARGV[8]), tonumber(ARGV[9])
local stopped, floor, path = ARGV[10] == '1', tonumber(ARGV[11]), ARGV[12]
local breaker, gives_way = ARGV[19], tonumber(ARGV[20])

local function get(field) return tonumber(redis.call('HGET', key, field) or nil) end
local function set(...) redis.call('HSET', key, ...) end
local function whole(number) return string.format('%d', number) end

local function allowance(name)
  local text = redis.call('HGET', key, 'allowance:' .. name)
  if not text then return nil end
  local left, of, ends = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(left), tonumber(of), tonumber(ends)
end

local function level()
  local filled, at = get('level'), get('level_at')
  if not filled then return burst end
  local since = math.min(math.max(now - at, 0), 120000)
  return math.min(filled + math.floor(since * per_minute / 60000), burst)
end

local function spend()
  set('level', whole(math.max(level() - 1000, -burst)), 'level_at', whole(now))
  local names = {''}
  if path ~= '' then names = {'', path} end
  for _, name in ipairs(names) do
    local left, of, ends = allowance(name)
    if left then
      set('allowance:' .. name, whole(math.max(left - 1000, 0)) .. ' ' .. whole(of) .. ' ' .. whole(ends))
    end
  end
end

local function ask()
  local probes = false
  local opened = get(breaker .. 'open_until')
  if opened and stopped then
    local ends = math.max(opened, get(breaker .. 'probe_until') or 0)
    if now < ends then return 2, ends end
    probes = true
  end
  for _, name in ipairs({'', path}) do
    local left, of, ends = allowance(name)
    if left then
      if left < 1000 then ends = ends + gives_way end
      if now < ends and left - 1000 < math.floor(of * floor / 1000) then return 1, ends end
    end
  end
  local kept = math.min(math.floor(burst * floor / 1000), burst - 1000)
  local short = kept + 1000 - level()
  if short > 0 then
    return 1, now + math.floor((short * 60000 + per_minute - 1) / per_minute)
  end
  if probes then set(breaker .. 'probe_until', whole(now + probe_for)) end
  spend()
  return 0, now
end

local function note(well)
  local opened = get(breaker .. 'open_until')
  if opened then
    if now < opened then return end
    local good = well and (get(breaker .. 'good') or 0) + 1 or 0
    set(breaker .. 'probe_until', '0', breaker .. 'good', whole(good))
    if not well then
      set(breaker .. 'open_until', whole(now + open_for))
    elseif good >= tonumber(ARGV[18]) then
      redis.call('HDEL', key, breaker .. 'open_since', breaker .. 'open_until', breaker .. 'probe_until', breaker .. 'good', breaker .. 'window_at', breaker .. 'calls', breaker .. 'failed')
    end
    return
  end
  local began, calls, failed = get(breaker .. 'window_at') or 0, get(breaker .. 'calls') or 0, get(breaker .. 'failed') or 0
  if now - began >= window then began, calls, failed = now, 0, 0 end
  calls = calls + 1
  if not well then failed = failed + 1 end
  set(breaker .. 'window_at', whole(began), breaker .. 'calls', whole(calls), breaker .. 'failed', whole(failed))
  if calls >= calls_min and failed * 100 >= calls * percent then
    set(breaker .. 'open_since', whole(now), breaker .. 'open_until', whole(now + open_for), breaker .. 'probe_until', '0', breaker .. 'good', '0')
  end
end

local code, ends = 0, now
if what == 'ask' then
  code, ends = ask()
elseif what == 'spend' then
  spend()
elseif what == 'hear' then
  if ARGV[14] ~= '' then
    set('allowance:' .. string.sub(ARGV[14], 2), ARGV[15] .. ' ' .. ARGV[16] .. ' ' .. whole(now + tonumber(ARGV[17])))
  end
  if ARGV[13] ~= '' then note(ARGV[13] == '1') end
end
redis.call('PEXPIRE', key, 86400000)
return {code, ends - now, get(breaker .. 'open_until') and 1 or 0, now}
