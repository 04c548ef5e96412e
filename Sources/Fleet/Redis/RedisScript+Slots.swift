// What members hold one at a time: the budget of deletes, heads of audit logs, the sign-in, Idempotency-Keys. The script's own
// key is KEYS[8].

extension RedisScript {
    /// `LedgerBudget.spend`. ARGV: run id, log, limit, span, what the log holds (`age:count …`, youngest first).
    static let spendText = """
        local limit, span, log = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[2]
        local v = call('HMGET', KEYS[8], 'lo', 'hi', 'sum', 'span')
        local w = {slot = max(floor(span / 200), 1), counted = span, key = KEYS[8], tat = 0,
          lo = tonumber(v[1] or ''), hi = tonumber(v[2] or ''), sum = tonumber(v[3] or '0')}
        local former = tonumber(v[4] or text(span))
        if former ~= span then
          local entries, slot = entriesOf(w), max(floor(former / 200), 1)
          call('DEL', w.key)
          w.lo, w.hi, w.sum = nil, nil, 0
          for _, entry in ipairs(entries) do
            for member, count in string.gmatch(entry[2], '(%x+):(%d+)') do
              add(w, tonumber(count), member, (entry[1] + 1) * slot - 1)
            end
          end
        end
        trim(w)
        local missing = -sumOf(w, log)
        local told = {}
        for age, count in string.gmatch(ARGV[5], '(%d+):(%d+)') do
          age, count = tonumber(age), tonumber(count)
          if age < span then missing = missing + count; told[#told + 1] = {age, count} end
        end
        for _, entry in ipairs(told) do
          if missing <= 0 then break end
          local added = min(missing, entry[2])
          add(w, added, log, now - entry[1])
          missing = missing - added
        end
        local left = -1
        if w.sum < limit then add(w, 1, log, now) else left = max((firstExpiry(w) or now) - now, 1) end
        keep(w)
        call('HSET', w.key, 'span', text(span))
        call('PEXPIRE', w.key, text(2 * span + 1000))
        return {'ok', left}
        """

    /// `LedgerBudget.giveBack`. ARGV: run id, log.
    static let giveBackText = """
        local v = call('HMGET', KEYS[8], 'lo', 'hi', 'sum')
        local lo, hi = tonumber(v[1] or ''), tonumber(v[2] or '')
        for i = hi or 0, lo or 1, -1 do
          local entries = call('HGET', KEYS[8], text(i)) or ''
          local count = string.match(entries, ARGV[2] .. ':(%d+)')
          if count then
            local left = tonumber(count) - 1
            entries = string.gsub(entries, ARGV[2] .. ':%d+ ', left > 0 and ARGV[2] .. ':' .. text(left) .. ' ' or '')
            if entries ~= '' then call('HSET', KEYS[8], text(i), entries) else call('HDEL', KEYS[8], text(i)) end
            call('HINCRBY', KEYS[8], 'sum', -1)
            while lo <= hi and call('HEXISTS', KEYS[8], text(lo)) == 0 do lo = lo + 1 end
            while lo <= hi and call('HEXISTS', KEYS[8], text(hi)) == 0 do hi = hi - 1 end
            if lo <= hi then
              call('HSET', KEYS[8], 'lo', text(lo), 'hi', text(hi))
            else
              call('HDEL', KEYS[8], 'lo', 'hi')
            end
            break
          end
        end
        return {'ok'}
        """

    /// `LedgerExtras.witness`. ARGV: run id, log, seq, hash, time. Answers every log's `log seq hash time regressed`.
    static let witnessText = """
        local former = call('HGET', KEYS[8], ARGV[2])
        if former then
          local last, rest, flag = string.match(former, '^(%d+) (.*) (%d)$')
          if tonumber(ARGV[3]) < tonumber(last) then
            call('HSET', KEYS[8], ARGV[2], last .. ' ' .. rest .. ' 1')
          else
            call('HSET', KEYS[8], ARGV[2], ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. flag)
          end
        elseif call('HLEN', KEYS[8]) < 1000 then
          call('HSET', KEYS[8], ARGV[2], ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5] .. ' 0')
        end
        local answer = {'ok'}
        local all = call('HGETALL', KEYS[8])
        for i = 1, #all, 2 do
          local last, hash, time, flag = string.match(all[i + 1], '^(%d+) (%S+) (%S+) (%d)$')
          answer[#answer + 1] = {all[i], last, hash, time, flag}
        end
        return answer
        """

    /// ARGV: run id, member, milliseconds.
    static let takeSignInText = """
        local v = call('HMGET', KEYS[8], 'generation', 'sealed', 'owner', 'until')
        local generation, ending = v[1] or '0', tonumber(v[4] or '0')
        if v[3] and v[3] ~= ARGV[2] and ending > now then
          return {'ok', generation, v[2] or '', -1, ending - now}
        end
        call('HSET', KEYS[8], 'owner', ARGV[2], 'until', text(now + tonumber(ARGV[3])))
        return {'ok', generation, v[2] or '', tonumber(ARGV[3]), 0}
        """

    /// ARGV: run id, member, sealed, generation before.
    static let putSignInText = """
        local v = call('HMGET', KEYS[8], 'generation', 'owner', 'until')
        if v[2] ~= ARGV[2] or tonumber(v[3] or '0') <= now or (v[1] or '0') ~= ARGV[4] then return {'fenced'} end
        call('HSET', KEYS[8], 'generation', text(tonumber(ARGV[4]) + 1), 'sealed', ARGV[3])
        call('HDEL', KEYS[8], 'owner', 'until')
        return {'ok'}
        """

    /// ARGV: run id, member.
    static let releaseSignInText = """
        if call('HGET', KEYS[8], 'owner') == ARGV[2] then call('HDEL', KEYS[8], 'owner', 'until') end
        return {'ok'}
        """

    /// ARGV: run id, member, note, milliseconds to keep.
    static let claimText = """
        local v = call('HMGET', KEYS[8], 'owner', 'note', 'value')
        if v[3] then return {'settled', v[3]} end
        if v[1] and v[1] ~= ARGV[2] then return {'open', v[2]} end
        call('HSET', KEYS[8], 'owner', ARGV[2], 'note', ARGV[3])
        call('PEXPIRE', KEYS[8], ARGV[4])
        return {'ok'}
        """

    /// ARGV: run id, member, value, milliseconds to keep.
    static let settleText = """
        if ARGV[3] == '' then
          local v = call('HMGET', KEYS[8], 'owner', 'value')
          if v[1] == ARGV[2] and not v[2] then call('DEL', KEYS[8]) end
        else
          call('HSET', KEYS[8], 'owner', ARGV[2], 'value', ARGV[3])
          call('HDEL', KEYS[8], 'note')
          call('PEXPIRE', KEYS[8], ARGV[4])
        end
        return {'ok'}
        """
}
