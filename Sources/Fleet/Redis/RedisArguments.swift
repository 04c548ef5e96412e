// What members ask, as the arguments of the scripts. Numbers are held within what Lua counts exactly.

extension RedisArgument {
    /// Below 2^50, so that sums and products with times stay below 2^53.
    static func bounded(_ number: Int) -> RedisArgument { .number(min(max(number, -1), 1 << 50)) }

    /// `age:count …`
    static func counts(_ counts: some Sequence<FleetCount>) -> RedisArgument {
        .text(
            counts.map { "\(min(max($0.age, 0), 1 << 50)):\(min(max($0.count, 0), 1 << 40))" }.joined(separator: " "))
    }

    /// At most a hundred bytes, as the ledger keeps them.
    static func name(_ name: String) -> RedisArgument {
        .text(String(decoding: name.utf8.prefix(100), as: UTF8.self))
    }

    static func member(_ member: FleetMemberID) -> RedisArgument { .text(member.text) }
}

extension FleetPolicy {
    /// The windows as the scripts read them: all that has to be computed is.
    var redisWindows: String {
        windows.map {
            "\($0.limit) \($0.span) \($0.isForRuns ? 1 : 0) \($0.slot) \($0.counted) \(online($0)) \($0.interval) \($0.burst) \($0.phantom)"
        }.joined(separator: ";")
    }
}

extension FleetHello {
    func redisArguments(server: String) -> [RedisArgument] {
        [
            .text(server), .member(id), .name(name), .name(version), .text(policy.text), .text(policy.redisWindows),
            .number(policy.windows.count), .number(policy.maxMembers), .number(policy.longest), .bounded(max(seen, 0)),
        ]
    }
}

extension [FleetAsk] {
    func redisArguments(server: String, member: FleetMemberID, seen: Int) -> [RedisArgument] {
        var arguments: [RedisArgument] = [.text(server), .member(member), .bounded(seen), .number(count)]
        for ask in self {
            arguments += [
                .text(FleetMemberID(ask.caller).text), .bounded(ask.weight), .bounded(ask.count),
                .number(ask.isRun ? 1 : 0), .number(ask.scopes.count),
            ]
            arguments += ask.scopes.map { .text($0) }
        }
        return arguments
    }
}

extension FleetReport {
    /// - Parameter policy: the one that the member works by.
    func redisArguments(server: String, member: FleetMemberID, seen: Int, policy: FleetPolicy) -> [RedisArgument] {
        let named = peers.prefix(2 * policy.maxMembers).map(\.text).joined(separator: " ")
        var arguments: [RedisArgument] = [.text(server), .member(member), .bounded(seen), .text(named)]
        for index in policy.windows.indices {
            arguments.append(.counts(index < sent.count ? sent[index] : []))
            arguments.append(.bounded(index < others.count ? max(others[index], 0) : 0))
        }
        return arguments
    }
}
