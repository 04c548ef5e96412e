// The scripts against `Ledger`: the same questions at the same times get the same answers.

import Ground
import TestSupport
import Testing

@testable import Fleet

@Suite(.enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .timeLimit(.minutes(2)))
struct RedisTraceTests {
    @Test(
        "random traces get the same answers from the scripts and from the ledger",
        arguments: 1...6 as ClosedRange<UInt64>)
    func traces(seed: UInt64) async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        var trace = try await RedisTrace(port: server.port, seed: seed)
        for step in 0..<1000 {
            let (what, isSame) = await trace.step()
            guard isSame else {
                Issue.record("seed \(seed), step \(step): \(what)")
                break
            }
        }
        #expect(trace.granted > 300, "the trace was worth nothing: only \(trace.granted) calls were granted")
        #expect(trace.losses > 1)
        trace.close()
    }

    @Test("deletes are counted by the script as by the ledger", arguments: 1...3 as ClosedRange<UInt64>)
    func deletes(seed: UInt64) async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let connection = try await RedisTrace.connect(server.port)
        defer { connection.close() }
        var random = SeededGenerator(seed: seed)
        // Long spans: the trace's clock is told, but the server forgets keys by its own.
        var budget = LedgerBudget(span: 60_000)
        let script = RedisScript(RedisScript.spendText, clock: .told)
        let back = RedisScript(RedisScript.giveBackText, clock: .told)
        let keys = RedisKeys(fleet: "0123456789abcdef")
        var now = 1_800_000_000_000
        var (counted, refused) = (0, 0)
        for step in 0..<500 {
            now += Int.random(in: 0...7_200, using: &random)
            let span = Int.random(in: 0..<50, using: &random) == 0 ? 120_000 : 60_000
            let log = UInt64.random(in: 1...3, using: &random)
            let spent = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                FleetCount(age: .random(in: 0...90_000, using: &random), count: .random(in: 0...2, using: &random))
            }
            if Int.random(in: 0..<5, using: &random) == 0 {
                budget.giveBack(log: log)
                _ = try await connection.run(
                    back, keys: keys.common + [keys.deletes(of: "0000000000000001")],
                    ["server", .text(FleetMemberID(log).text), .number(now)], within: .seconds(5))
            }
            let expected = budget.spend(limit: 6, span: span, log: log, spent: spent, now: now)
            let value = try await connection.run(
                script, keys: keys.common + [keys.deletes(of: "0000000000000001")],
                [
                    "server", .text(FleetMemberID(log).text), .number(6), .number(span),
                    .counts(spent.sorted { $0.age < $1.age }), .number(now),
                ], within: .seconds(5))
            let left = Int(value.items?.last?.number ?? -9)
            #expect(left == expected ?? -1, "seed \(seed), step \(step)")
            if expected == nil { counted += 1 } else { refused += 1 }
        }
        #expect(counted > 20 && refused > 20)
    }
}

extension RedisTraceTests {
    @Test("a server whose clock is put back an hour counts what it counted, and for no longer")
    func clock() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let connection = try await RedisTrace.connect(server.port)
        defer { connection.close() }
        let scripts = RedisScripts(clock: .told)
        let keys = RedisKeys(fleet: "0123456789abcdef")
        let policy = FleetPolicy(windows: [FleetWindow(limit: 20, span: 1000)], maxMembers: 2, reserve: 0)
        let hello = FleetHello(1, policy)
        func at(_ now: Int) async throws -> FleetGrant {
            let asks = [FleetAsk(2)].redisArguments(server: "s", member: hello.id, seen: 0)
            let value = try await connection.run(
                scripts.acquire, keys: keys.common + keys.windows(1), asks + [.number(now)], within: .seconds(5))
            var answer = try RedisAnswer(value, to: "acquire")
            let view = try answer.view().view
            return try answer.grant(view, asks: 1)
        }
        var now = 1_800_000_000_000
        _ = try await connection.run(
            scripts.join, keys: keys.common + keys.windows(16), hello.redisArguments(server: "s") + [.number(now)],
            within: .seconds(5))
        now += 400
        var granted = 0
        for _ in 0..<30 {
            granted += try await at(now).granted[0]
            now += 30
        }
        #expect(granted > 15)
        let used = try await at(now).view.used[0]
        now -= 3_600_000
        let after = try await at(now)
        #expect(after.view.used[0] >= used && after.view.members == [hello.id])
        now += policy.windows[0].counted + 2 * policy.windows[0].slot
        let later = try await at(now)
        #expect(later.granted == [2] && later.view.used == [2])
    }
}

/// Both, and who asks them.
struct RedisTrace {
    private var random: SeededGenerator
    private let connection: RedisConnection
    private let scripts = RedisScripts(clock: .told)
    private let keys = RedisKeys(fleet: "0123456789abcdef")
    private var ledger: Ledger?
    private var now = 1_800_000_000_000
    private var server = "first"
    /// By member, the policy that it last joined with and the number that it has seen.
    private var members: [UInt64: (policy: FleetPolicy, seen: Int)] = [:]
    private(set) var granted = 0
    private(set) var losses = 0

    init(port: Int, seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        connection = try await Self.connect(port)
    }

    static func connect(_ port: Int) async throws -> RedisConnection {
        try await RedisConnection.open(
            RedisServer(host: "127.0.0.1", port: port), tls: nil, on: testLoops, within: .seconds(5)
        ) { _ in
        }
    }

    func close() { connection.close() }

    /// What was asked and what both said, and whether that is the same.
    mutating func step() async -> (String, Bool) {
        now += [0, 0, 1, 3, 7, 20, 60, 250].randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<4: now += [3_500, 12_000, 40_000, 3_600_000].randomElement(using: &random) ?? 0
        case 4..<8: server = "server \(Int.random(in: 0..<9, using: &random))"
        case 8..<10:
            ledger = nil
            _ = try? await connection.call(RedisCommand("FLUSHALL"), within: .seconds(5))
        default: break
        }
        let member = UInt64.random(in: 1...5, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8: return await join(member)
        case 8..<18: return await report(member)
        case 18..<22: return await pause(member)
        case 22..<24: return await leave(member)
        default: return await members[member] == nil ? join(member) : acquire(member)
        }
    }

    private mutating func join(_ member: UInt64) async -> (String, Bool) {
        let policy: FleetPolicy =
            Int.random(in: 0..<8, using: &random) == 0 ? .sample(100, 1500, reserve: 0) : .sample()
        let seen = Bool.random(using: &random) ? members[member]?.seen ?? 0 : 0
        let hello = FleetHello(member, policy, seen: seen)
        if ledger == nil { ledger = Ledger(policy: policy, server: "") }
        let (server, now) = (server, now)
        let expected = Result { () throws(FleetError) in
            guard let joined = try ledger?.join(hello, server: server, now: now) else { throw FleetError.unknownMember }
            return joined
        }
        let real = await result { () throws(FleetError) in
            let value = try await run(scripts.join, keys.windows(16), hello.redisArguments(server: server))
            if value.items?.first?.text == "policy" {
                throw hello.policy.difference(from: value.items?[1].text ?? "") ?? .unknownMember
            }
            var answer = try RedisAnswer(value, to: "join")
            let view = try answer.view().view
            return try answer.joined(view)
        }
        if case .success(let joined) = expected { members[member] = (policy, max(seen, joined.view.seq)) }
        return ("join of \(member): \(real), and not \(expected)", real == expected)
    }

    private mutating func acquire(_ member: UInt64) async -> (String, Bool) {
        guard let (policy, known) = members[member] else { return ("nobody", true) }
        let asks = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            FleetAsk(
                caller: UInt64.random(in: 1...4, using: &random) << 40,
                weight: [1, 1, 3, 1000].randomElement(using: &random) ?? 1,
                count: Int.random(in: 1...12, using: &random), isRun: Int.random(in: 0..<6, using: &random) == 0,
                scopes: [["api v2"], [], ["operation x"]].randomElement(using: &random) ?? [])
        }
        let seen = known + (Int.random(in: 0..<150, using: &random) == 0 ? 5 : 0)
        let (server, now, id) = (server, now, FleetMemberID(member))
        let before = ledger?.epoch
        let expected = Result { () throws(FleetError) in
            guard let grant = try ledger?.acquire(asks, by: id, seen: seen, server: server, now: now) else {
                throw FleetError.unknownMember
            }
            return grant
        }
        let real = await result { () throws(FleetError) in
            var answer = try RedisAnswer(
                try await run(
                    scripts.acquire, keys.windows(policy.windows.count),
                    asks.redisArguments(server: server, member: id, seen: seen)), to: "acquire")
            let view = try answer.view().view
            return try answer.grant(view, asks: asks.count)
        }
        if case .success(let grant) = expected {
            granted += grant.granted.reduce(0, +)
            members[member]?.seen = max(known, grant.view.seq)
            if grant.view.epoch != before { losses += 1 }
        } else {
            members[member] = nil
        }
        return ("acquire \(asks) by \(member): \(real), and not \(expected)", real == expected)
    }

    private mutating func report(_ member: UInt64) async -> (String, Bool) {
        guard let (policy, seen) = members[member] else { return ("nobody", true) }
        let report = FleetReport(
            sent: policy.windows.map { window in
                (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    FleetCount(
                        age: Int.random(in: 0...(window.counted + 50), using: &random),
                        count: Int.random(in: 0...9, using: &random))
                }
            },
            peers: (0..<Int.random(in: 0...2, using: &random)).map { _ in
                FleetMemberID(UInt64.random(in: 1...9, using: &random))
            },
            others: policy.windows.map { _ in Int.random(in: -1...20, using: &random) })
        let (server, now, id) = (server, now, FleetMemberID(member))
        let expected = Result { () throws(FleetError) in
            guard let view = try ledger?.report(report, by: id, seen: seen, server: server, now: now) else {
                throw FleetError.unknownMember
            }
            return view
        }
        let real = await result { () throws(FleetError) in
            var answer = try RedisAnswer(
                try await run(
                    scripts.report, keys.windows(policy.windows.count),
                    report.redisArguments(server: server, member: id, seen: seen, policy: policy)), to: "report")
            return try answer.view().view
        }
        if case .success(let view) = expected { members[member]?.seen = max(seen, view.seq) }
        return ("report \(report) by \(member): \(real), and not \(expected)", real == expected)
    }

    private mutating func pause(_ member: UInt64) async -> (String, Bool) {
        // Only what a ledger that is there is told.
        guard ledger != nil else { return ("nobody", true) }
        let pause = FleetPause(
            scope: ["*", "api v2", "operation x"].randomElement(using: &random) ?? "*", cause: "too many",
            left: Int.random(in: -5...400, using: &random))
        ledger?.pause(pause, now: now)
        let server = server
        let real = await result { () throws(FleetError) in
            try await run(
                scripts.pause, [],
                [
                    .text(server), .member(FleetMemberID(member)), .text(pause.scope), .text(pause.cause),
                    .bounded(pause.left),
                ])
        }
        return ("pause: \(real)", (try? real.get()) != nil)
    }

    private mutating func leave(_ member: UInt64) async -> (String, Bool) {
        members[member] = nil
        ledger?.leave(FleetMemberID(member))
        let server = server
        let real = await result { () throws(FleetError) in
            try await run(scripts.leave, [], [.text(server), .member(FleetMemberID(member))])
        }
        return ("leave: \(real)", (try? real.get()) != nil)
    }

    private func run(
        _ script: RedisScript, _ own: [String], _ arguments: [RedisArgument]
    ) async throws(FleetError) -> RESPValue {
        do throws(RedisTrouble) {
            return try await connection.run(
                script, keys: keys.common + own, arguments + [.number(now)], within: .seconds(5))
        } catch {
            throw .cut("\(error)")
        }
    }
}
