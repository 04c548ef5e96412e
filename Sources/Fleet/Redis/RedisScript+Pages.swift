// Pages that are no longer true: everybody is told in order, and who tells it waits until nobody can show them any more.
//
// The lease hash holds for each member `applied asked lag`: the number of the last news that it has applied, when its last
// question for news came, and for how long it may show pages after asking.

extension RedisScript {
    /// ARGV: run id, member, tags (eight bytes each), `1` for everything. Answers its number, `born`, and the longest lease.
    static let invalidateText = """
        local longest = 0
        for _, lease in ipairs(call('HVALS', KEYS[7])) do
          longest = max(longest, tonumber(string.match(lease, '(%d+)$')))
        end
        publish('k', 'i', 't', ARGV[3], 'e', ARGV[4], 'm', ARGV[2])
        save()
        return {'ok', num('inv'), C.born, longest}
        """

    /// ARGV: run id, member, number, `born`.
    static let appliedText = """
        if C.born ~= ARGV[4] then return {'ok'} end
        local asked, lag = string.match(call('HGET', KEYS[7], ARGV[2]) or '0 0 0', '^%d+ (%d+) (%d+)$')
        call('HSET', KEYS[7], ARGV[2], ARGV[3] .. ' ' .. asked .. ' ' .. lag)
        return {'ok'}
        """

    /// ARGV: run id, member, number, `born`, the longest lease. Answers for how many milliseconds more somebody else may show what
    /// the news of this number named; -1 where that is not known.
    static let awaitText = """
        if C.born ~= ARGV[4] or C.rid ~= ARGV[1] then return {'ok', -1} end
        -- Leases that were given by the server before this one are not known here.
        local left = max(num('ls') + tonumber(ARGV[5]) - now, 0)
        local all = call('HGETALL', KEYS[7])
        for i = 1, #all, 2 do
          local applied, asked, lag = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
          if all[i] ~= ARGV[2] and tonumber(applied) < tonumber(ARGV[3]) then
            left = max(left, tonumber(asked) + tonumber(lag) - now)
          end
        end
        return {'ok', left}
        """

    /// ARGV: run id, member, for how long it shows pages after asking. Answers `born`, the number of the last news, its place in
    /// the stream. Writes, so that a primary that has become a replica says so.
    static let watchText = """
        ensure()
        save()
        local applied = string.match(call('HGET', KEYS[7], ARGV[2]) or '0 0 0', '^(%d+) ')
        call('HSET', KEYS[7], ARGV[2], applied .. ' ' .. text(now) .. ' ' .. ARGV[3])
        return {'ok', C.born, num('inv'), C.last or '0-0'}
        """
}
