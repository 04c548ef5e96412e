// Grants: `Ledger.acquire` in Lua, function by function.

extension RedisScript {
    /// ARGV: run id, member, seen, how many asks, then for each: caller, weight, count, 1 for runs, how many scopes, the scopes.
    static let acquireText = """
        local id = ARGV[2]
        if not call('ZSCORE', KEYS[2], id) or num('nw') ~= #KEYS - 7 then return {'unknown'} end
        call('ZADD', KEYS[2], text(now), id)
        W = open(C.spec)
        noticeLoss(tonumber(ARGV[3]))
        for _, w in ipairs(W) do trim(w) end

        local asks, at = {}, 5
        for i = 1, tonumber(ARGV[4]) do
          local ask = {caller = ARGV[at], weight = tonumber(ARGV[at + 1]), count = tonumber(ARGV[at + 2]),
            runs = ARGV[at + 3] == '1', scopes = {'*'}}
          local scopes = tonumber(ARGV[at + 4])
          for j = 1, scopes do ask.scopes[j + 1] = ARGV[at + 4 + j] end
          at = at + 5 + scopes
          asks[i] = ask
        end
        local granted, wait = {}, 0
        if num('lu') > now or tonumber(call('HGET', KEYS[3], id .. ':r') or '0') ~= num('epoch') then
          for i = 1, #asks do granted[i] = 0 end
          if #asks > 0 then wait = max(num('lu') - now, 1) end
          local answer = view()
          close()
          answer[#answer + 1] = granted
          answer[#answer + 1] = wait
          return answer
        end

        local pauses, callers, count, touched = {}, {}, 0, {}
        local virtual, calls, runs, seq = num('virtual'), num('calls'), num('runs'), num('seq')
        if #asks > 0 then
          local all = call('HGETALL', KEYS[4])
          for i = 1, #all, 2 do pauses[all[i]] = tonumber(string.match(all[i + 1], '^%d+')) end
          all = call('HGETALL', KEYS[5])
          for i = 1, #all, 2 do
            local v, c, r = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
            callers[all[i]] = {virtual = tonumber(v), calls = tonumber(c), runs = tonumber(r)}
            count = count + 1
          end
        end
        local function quotient(a, b) if a >= 0 then return floor(a / b) end return -floor(-a / b) end
        local function pauseEnd(ask)
          local ending
          for _, scope in ipairs(ask.scopes) do
            local till = pauses[scope]
            if till and till > now then ending = max(ending or till, till) end
          end
          return ending
        end
        local function hard(w, i) return w.online - w.sum - phantom(i) end
        local function room(i)
          local w = W[i]
          local ahead = max(w.tat - now * 1000, 0)
          return min(hard(w, i), quotient(w.burst * w.interval - ahead, w.interval))
        end
        local function opening(i)
          local w = W[i]
          local ahead = max(w.tat - now * 1000, 0)
          local paced = floor((max(ahead - (w.burst - 1) * w.interval, 0) + 999) / 1000)
          if hard(w, i) >= 1 then return paced end
          return max(paced, (firstExpiry(w) or num('ls') + w.counted) - now, 1)
        end
        local function leastBehind(ask)
          local behind
          for key, other in pairs(callers) do
            if key ~= ask.caller and (ask.runs and other.runs or not ask.runs and other.calls) > now then
              behind = min(behind or other.virtual, other.virtual)
            end
          end
          return behind
        end
        local function turn(ask)
          local own = callers[ask.caller]
          local start
          if own and (ask.runs and own.runs or not ask.runs and own.calls) > now then
            start = own.virtual
          else
            start = max(own and own.virtual or 0, virtual)
          end
          if not own then
            own = {calls = 0, runs = 0}
            callers[ask.caller] = own
            count = count + 1
          end
          own.virtual = start
          local behind = leastBehind(ask)
          if not behind then return ask.count end
          local least
          for _, w in ipairs(W) do if ask.runs or not w.runs then least = min(least or w.limit, w.limit) end end
          local burst = max(floor((least or 1) / 50), 1)
          return floor(max(behind + burst * 1000000 - start, 0) * min(max(ask.weight, 1), 1000) / 1000000)
        end
        local function note(ask, n)
          local own = callers[ask.caller]
          local till = n < ask.count and now + WAIT or 0
          if ask.runs then own.runs = till else own.calls = till end
          if n > 0 then
            virtual = max(virtual, min(own.virtual, leastBehind(ask) or own.virtual))
            own.virtual = own.virtual + n * floor(1000000 / min(max(ask.weight, 1), 1000))
          end
          touched[ask.caller] = true
          if count <= 256 then return end
          for key, other in pairs(callers) do
            if max(other.calls, other.runs) <= now and other.virtual <= virtual then
              callers[key] = nil; touched[key] = true; count = count - 1
            end
          end
          if count > 1024 then
            for key in pairs(callers) do callers[key] = nil; touched[key] = true end
            count = 0
          end
        end
        local function grant(ask)
          local ending = pauseEnd(ask)
          if ending then return 0, ending - now end
          local free = ask.count
          for i, w in ipairs(W) do if ask.runs or not w.runs then free = min(free, room(i)) end end
          local own = turn(ask)
          local n = max(min(free, own), 0)
          note(ask, n)
          if n > 0 then
            for _, w in ipairs(W) do
              if ask.runs or not w.runs then
                local slot = floor(now / w.slot)
                w.sum, w.added, w.by, w.dirty = w.sum + n, w.added + n, id, true
                w.lo, w.hi = min(w.lo or slot, slot), max(w.hi or slot, slot)
                w.tat = max(w.tat, now * 1000) + n * w.interval
              end
            end
            calls = calls + n
            if ask.runs then runs = runs + n end
            seq = seq + 1
          end
          if n >= ask.count then return n, 0 end
          local after = own < free and 5 or 1
          for i, w in ipairs(W) do if ask.runs or not w.runs then after = max(after, opening(i)) end end
          return n, min(after, 1000)
        end

        for i, ask in ipairs(asks) do
          local n, after = grant(ask)
          granted[i] = n
          if n < ask.count then if wait == 0 then wait = after else wait = min(wait, after) end end
        end
        if #asks > 0 then put('virtual', virtual); put('calls', calls); put('runs', runs); put('seq', seq) end
        for key in pairs(touched) do
          local c = callers[key]
          if c then
            call('HSET', KEYS[5], key, text(c.virtual) .. ' ' .. text(c.calls) .. ' ' .. text(c.runs))
          else
            call('HDEL', KEYS[5], key)
          end
        end
        local answer = view()
        close()
        answer[#answer + 1] = granted
        answer[#answer + 1] = wait
        return answer
        """
}
