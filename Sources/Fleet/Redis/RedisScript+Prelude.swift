// What all scripts begin with: `Ledger` and `LedgerWindow` in Lua, function by function and under the same names where they have
// any. Tests hold both to the same answers. Numbers are whole and below 2^53.

extension RedisScript {
    /// Declares `now` (milliseconds, before it), `C` and `put` (the control hash), `W` (windows), and what works on them.
    /// KEYS: control, members, who they are, pauses, callers, stream, leases, then one for each window, then the script's own.
    /// ARGV[1]: the server's run id.
    static let prelude = """
        local floor, max, min = math.floor, math.max, math.min
        local call = redis.call
        local LIFE, LEARN, LOST, WAIT = 3000, 300, 10000, 300
        local function text(n) return string.format('%.0f', n) end
        local C, changed = {}, {}
        do
          local all = call('HGETALL', KEYS[1])
          for i = 1, #all, 2 do C[all[i]] = all[i + 1] end
        end
        if C.fmt and C.fmt ~= '1' then return {'format', C.fmt} end
        local function num(field) return tonumber(C[field] or '0') end
        local function put(field, value)
          if type(value) == 'number' then value = text(value) end
          C[field] = value
          changed[field] = true
        end
        local function save()
          local list = {}
          for field in pairs(changed) do list[#list + 1] = field; list[#list + 1] = C[field] end
          if #list > 0 then call('HSET', KEYS[1], unpack(list)) end
        end

        local W = {}
        local function open(spec)
          local list = {}
          for part in string.gmatch(spec or '', '[^;]+') do
            local n = {}
            for digits in string.gmatch(part, '%d+') do n[#n + 1] = tonumber(digits) end
            local w = {limit = n[1], span = n[2], runs = n[3] == 1, slot = n[4], counted = n[5], online = n[6],
              interval = n[7], burst = n[8], phantom = n[9], key = KEYS[8 + #list], added = 0}
            local v = call('HMGET', w.key, 'lo', 'hi', 'sum', 'tat')
            w.lo, w.hi = tonumber(v[1] or ''), tonumber(v[2] or '')
            w.sum, w.tat = tonumber(v[3] or '0'), tonumber(v[4] or '0')
            list[#list + 1] = w
          end
          return list
        end
        local function keep(w)
          if w.lo then
            call('HSET', w.key, 'lo', text(w.lo), 'hi', text(w.hi), 'sum', text(w.sum), 'tat', text(w.tat))
          else
            call('HDEL', w.key, 'lo', 'hi')
            call('HSET', w.key, 'sum', '0', 'tat', text(w.tat))
          end
        end
        local function total(entries)
          local sum = 0
          for count in string.gmatch(entries, ':(%d+)') do sum = sum + tonumber(count) end
          return sum
        end
        local function trim(w)
          local cut = floor((now - w.counted) / w.slot)
          if not w.lo or w.lo >= cut then return end
          local first
          for i = w.lo, w.hi do
            local entries = call('HGET', w.key, text(i))
            if entries then
              if i >= cut then first = i; break end
              w.sum = w.sum - total(entries)
              call('HDEL', w.key, text(i))
            end
          end
          w.lo = first
          if not first then w.hi = nil end
          w.dirty = true
        end
        -- The count of one member in one slot becomes what `change` makes of it.
        local function set(w, slot, member, change)
          local entries = call('HGET', w.key, text(slot)) or ''
          local before = tonumber(string.match(entries, member .. ':(%d+)') or '0')
          local after = change(before)
          if entries == '' or not string.find(entries, member, 1, true) then
            entries = entries .. member .. ':' .. text(after) .. ' '
          else
            entries = string.gsub(entries, member .. ':%d+', member .. ':' .. text(after))
          end
          call('HSET', w.key, text(slot), entries)
          w.sum = w.sum + after - before
          w.lo, w.hi = min(w.lo or slot, slot), max(w.hi or slot, slot)
          w.dirty = true
        end
        local function add(w, count, member, at)
          set(w, floor(at / w.slot), member, function(before) return before + count end)
        end
        local function entriesOf(w)
          local list = {}
          for i = w.lo or 1, w.hi or 0 do
            local entries = call('HGET', w.key, text(i))
            if entries then list[#list + 1] = {i, entries} end
          end
          return list
        end
        local function sumOf(w, member)
          local sum = 0
          for _, entry in ipairs(entriesOf(w)) do
            sum = sum + tonumber(string.match(entry[2], member .. ':(%d+)') or '0')
          end
          return sum
        end
        local function firstExpiry(w) return w.lo and (w.lo + 1) * w.slot + w.counted end

        -- The ledger is there, if only as one that knows nothing. `born` tells it from any that was there before.
        local function ensure()
          if not C.fmt then put('fmt', '1'); put('rid', ''); put('born', now) end
        end
        -- Tells everybody, in order.
        local function publish(...)
          ensure()
          put('inv', num('inv') + 1)
          put('last', call('XADD', KEYS[6], 'MAXLEN', '~', '10000', '*', 'n', C.inv, ...))
        end
        -- The server's clock was put back: what lies ahead of it is as if it had been now, or it would count, and close, for as
        -- long as the clock needs to get there again.
        local function noticeClock()
          local before = num('at')
          put('at', now)
          if now >= before - 1000 then return end
          for _, w in ipairs(W) do
            local entries = entriesOf(w)
            for _, entry in ipairs(entries) do call('HDEL', w.key, text(entry[1])) end
            w.lo, w.hi, w.sum = nil, nil, 0
            for _, entry in ipairs(entries) do
              for member, count in string.gmatch(entry[2], '(%x+):(%d+)') do
                add(w, tonumber(count), member, min(entry[1] * w.slot, now))
              end
            end
            w.tat = min(w.tat, now * 1000 + max(w.tat - before * 1000, 0))
            w.dirty = true
          end
          for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[2], '(' .. text(now), '+inf')) do
            call('ZADD', KEYS[2], text(now), member)
          end
          local pauses = call('HGETALL', KEYS[4])
          for i = 1, #pauses, 2 do
            local till, cause = string.match(pauses[i + 1], '^(%d+) (.*)$')
            call('HSET', KEYS[4], pauses[i], text(min(tonumber(till), now + max(tonumber(till) - before, 0))) .. ' ' .. cause)
          end
          call('DEL', KEYS[5])
          put('ls', min(num('ls'), now)); put('lu', min(num('lu'), now + LEARN))
        end
        -- Another server, or a number that is greater than ours: something was forgotten.
        local function noticeLoss(seen)
          noticeClock()
          if seen <= num('seq') and C.rid == ARGV[1] then return end
          put('rid', ARGV[1])
          put('seq', max(num('seq'), seen) + 1)
          put('epoch', num('seq'))
          put('ls', now); put('lu', now + LEARN)
          put('calls', 0); put('runs', 0)
          for i = 1, #W do put('k' .. i, 0); put('r' .. i, 0) end
        end
        local function living() return call('ZRANGEBYSCORE', KEYS[2], '(' .. text(now - LIFE), '+inf') end
        local function isSilent(id, heard)
          local since = num('ls')
          return since > 0 and now < since + num('longest') and heard > since - LOST
            and tonumber(call('HGET', KEYS[3], id .. ':r') or '0') < num('epoch')
        end
        local silent
        local function phantom(i)
          local w, since = W[i], num('ls')
          if since == 0 or now >= since + w.counted then return 0 end
          if not silent then
            silent = 0
            local list = call('ZRANGEBYSCORE', KEYS[2], '(' .. text(since - LOST), '+inf', 'WITHSCORES')
            for j = 1, #list, 2 do if isSilent(list[j], tonumber(list[j + 1])) then silent = silent + 1 end end
          end
          if silent == 0 then return 0 end
          return min(w.limit, max(silent * w.phantom, num('k' .. i) - num('r' .. i)))
        end
        local function view()
          local used, pauses = {}, {}
          for i = 1, #W do used[i] = W[i].sum + phantom(i) end
          local all = call('HGETALL', KEYS[4])
          for i = 1, #all, 2 do
            local till, cause = string.match(all[i + 1], '^(%d+) (.*)$')
            local left = tonumber(till) - now
            if left > 0 then
              pauses[#pauses + 1] = all[i]; pauses[#pauses + 1] = cause; pauses[#pauses + 1] = text(left)
            end
          end
          return {'ok', now, num('seq'), num('epoch'), max(num('lu') - now, 0), num('calls'), num('runs'), used, pauses,
            living()}
        end
        local function close()
          for i = 1, #W do
            if W[i].added > 0 then add(W[i], W[i].added, W[i].by, now); W[i].sum = W[i].sum - W[i].added end
            if W[i].dirty then keep(W[i]) end
          end
          save()
        end

        """
}
