// Members come, report, tell pauses and go: `Ledger.join`, `report`, `pause`, `roll` and `leave` in Lua.

extension RedisScript {
    /// ARGV: run id, member, name, version, policy, windows, how many of them, members at most, longest, seen.
    static let joinText = """
        local id = ARGV[2]
        ensure()
        local others = 0
        for _, other in ipairs(living()) do if other ~= id then others = others + 1 end end
        local function setUp()
          put('policy', ARGV[5]); put('spec', ARGV[6]); put('nw', ARGV[7]); put('max', ARGV[8]); put('longest', ARGV[9])
        end
        if not C.policy then
          setUp()
          W = open(C.spec)
        elseif C.policy == ARGV[5] then
          W = open(C.spec)
        elseif others > 0 then
          return {'policy', C.policy}
        else
          -- Other windows: each goes on with the counts of the shortest of its kind that was as long, or of the longest.
          local former = open(C.spec)
          for i, w in ipairs(former) do w.at = i; w.entries = entriesOf(w) end
          table.sort(former, function(a, b) if a.span ~= b.span then return a.span < b.span end return a.at < b.at end)
          for _, w in ipairs(former) do call('DEL', w.key) end
          setUp()
          W = open(C.spec)
          for i, w in ipairs(W) do
            local best
            for _, other in ipairs(former) do
              if other.runs == w.runs and (not best or best.span < w.span) then best = other end
            end
            for _, entry in ipairs(best and best.entries or {}) do
              for member, count in string.gmatch(entry[2], '(%x+):(%d+)') do
                add(w, tonumber(count), member, (entry[1] + 1) * best.slot - 1)
              end
            end
            put('k' .. i, 0); put('r' .. i, 0)
          end
        end
        if others >= num('max') then return {'full', others} end
        local first = num('seq') == 0 and call('ZCARD', KEYS[2]) == 0 and call('HLEN', KEYS[4]) == 0
        for _, w in ipairs(W) do first = first and w.sum == 0 end
        noticeLoss(tonumber(ARGV[10]))
        call('ZADD', KEYS[2], text(now), id)
        call('HSETNX', KEYS[3], id .. ':j', text(now))
        call('HSET', KEYS[3], id .. ':n', ARGV[3], id .. ':v', ARGV[4])
        if ARGV[10] == '0' then call('HSET', KEYS[3], id .. ':r', text(num('epoch'))) end
        local function forget(member)
          call('ZREM', KEYS[2], member)
          call('HDEL', KEYS[3], member .. ':r', member .. ':j', member .. ':n', member .. ':v')
          call('HDEL', KEYS[7], member)
        end
        local old = call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now - 3 * LOST), 'WITHSCORES')
        for i = 1, #old, 2 do if not isSilent(old[i], tonumber(old[i + 1])) then forget(old[i]) end end
        local surplus = call('ZCARD', KEYS[2]) - 4 * num('max') - 64
        if surplus > 0 then
          for _, member in ipairs(call('ZRANGE', KEYS[2], 0, surplus - 1)) do forget(member) end
        end
        local histories = {}
        for i, w in ipairs(W) do
          trim(w)
          local list = {}
          for _, entry in ipairs(entriesOf(w)) do
            list[#list + 1] = max(now - (entry[1] + 1) * w.slot, 0)
            list[#list + 1] = total(entry[2])
          end
          histories[i] = list
        end
        local answer = view()
        close()
        answer[#answer + 1] = first and 1 or 0
        answer[#answer + 1] = histories
        return answer
        """

    /// ARGV: run id, member, seen, peers, then for each window what was sent (`age:count …`) and what was others'.
    static let reportText = """
        local id = ARGV[2]
        if not call('ZSCORE', KEYS[2], id) or num('nw') ~= #KEYS - 7 then return {'unknown'} end
        W = open(C.spec)
        noticeLoss(tonumber(ARGV[3]))
        local calls, runs = 0, 0
        for i, w in ipairs(W) do
          local before, slots = w.sum, {}
          for age, count in string.gmatch(ARGV[3 + 2 * i], '(%d+):(%d+)') do
            age, count = tonumber(age), tonumber(count)
            if age < w.counted and count > 0 then
              local slot = floor((now - age) / w.slot)
              slots[slot] = (slots[slot] or 0) + count
            end
          end
          for slot, count in pairs(slots) do set(w, slot, id, function(known) return max(known, count) end) end
          if w.runs then runs = max(runs, w.sum - before) else calls = max(calls, w.sum - before) end
        end
        put('calls', num('calls') + calls)
        put('runs', num('runs') + runs)
        for _, w in ipairs(W) do trim(w) end
        if tonumber(call('HGET', KEYS[3], id .. ':r') or '0') ~= num('epoch') then
          for i, w in ipairs(W) do
            local own = sumOf(w, id)
            put('r' .. i, num('r' .. i) + own)
            put('k' .. i, max(num('k' .. i), own + max(tonumber(ARGV[4 + 2 * i]), 0)))
          end
          for peer in string.gmatch(ARGV[4], '%x+') do
            if not call('ZSCORE', KEYS[2], peer) then
              call('ZADD', KEYS[2], text(num('ls')), peer)
              call('HSET', KEYS[3], peer .. ':j', text(now), peer .. ':r', '0')
            end
          end
        end
        call('ZADD', KEYS[2], text(now), id)
        call('HSET', KEYS[3], id .. ':r', text(num('epoch')))
        local answer = view()
        close()
        return answer
        """

    /// ARGV: run id, member, scope, cause, milliseconds.
    static let pauseText = """
        local till = now + max(tonumber(ARGV[5]), 0)
        local P, count = {}, 0
        local all = call('HGETALL', KEYS[4])
        for i = 1, #all, 2 do P[all[i]] = tonumber(string.match(all[i + 1], '^%d+')) end
        local scope = ARGV[3]
        if till <= (P[scope] or now) then return {'ok'} end
        for other, ending in pairs(P) do
          if ending <= now then call('HDEL', KEYS[4], other); P[other] = nil else count = count + 1 end
        end
        if count >= 256 and not P[scope] then scope = '*' end
        if till <= (P[scope] or now) then return {'ok'} end
        call('HSET', KEYS[4], scope, text(till) .. ' ' .. ARGV[4])
        publish('k', 'p', 's', scope, 'c', ARGV[4], 'l', text(till - now), 'm', ARGV[2])
        save()
        return {'ok'}
        """

    /// ARGV: run id, member.
    static let leaveText = """
        local id = ARGV[2]
        call('ZREM', KEYS[2], id)
        call('HDEL', KEYS[3], id .. ':r', id .. ':j', id .. ':n', id .. ':v')
        call('HDEL', KEYS[7], id)
        return {'ok'}
        """

    /// ARGV: run id, member.
    static let rollText = """
        local answer = {'ok'}
        for _, id in ipairs(living()) do
          local who = call('HMGET', KEYS[3], id .. ':n', id .. ':v', id .. ':j')
          local heard = tonumber(call('ZSCORE', KEYS[2], id))
          local joined = tonumber(who[3] or text(now))
          answer[#answer + 1] = {id, who[1] or '', who[2] or '', text(now - joined), text(now - heard)}
        end
        return answer
        """
}
