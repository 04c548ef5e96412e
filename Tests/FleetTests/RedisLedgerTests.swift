// The engine at a real server: members, grants, what happens when the server forgets, changes or is somebody else's.

import Ground
import TestSupport
import Testing

@testable import Fleet

@Suite(.enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .timeLimit(.minutes(2)))
struct RedisLedgerTests {
    private static let fleet = "cp1:{0123456789abcdef}:"

    private func joined(_ ledger: RedisLedger, _ bits: UInt64 = 1) async throws -> FleetMemberID {
        let hello = FleetHello(bits, .sample())
        _ = try await ledger.join(hello)
        try await ready(ledger, hello.id)
        return hello.id
    }

    /// A server that is new waits for reports; then it grants.
    private func ready(_ ledger: RedisLedger, _ id: FleetMemberID, seen: Int = 0) async throws {
        let clock = ContinuousClock()
        let until = clock.now + .seconds(20)
        while clock.now < until {
            if let grant = try? await ledger.acquire([FleetAsk(1)], by: id, seen: seen), grant.granted == [1] { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw NeverHappened(what: "a grant")
    }

    @Test("members come, are granted calls of the same windows, are known to each other, and go")
    func life() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let one = RedisLedger(RedisServers(port: server.port))
        let two = RedisLedger(RedisServers(port: server.port))
        #expect(one.engine == "redis://127.0.0.1:\(server.port)")
        let first = try await joined(one, 1)
        let second = try await joined(two, 2)
        let grant = try await one.acquire([FleetAsk(3)], by: first, seen: 0)
        let seen = try await two.acquire([], by: second, seen: 0)
        #expect(grant.granted == [3] && seen.view.calls >= grant.view.calls)
        #expect(seen.view.members == [first, second])
        #expect(seen.view.used[0] >= 5)
        let roll = try await two.members(asking: second)
        #expect(roll.map(\.name) == ["member 1", "member 2"] && roll.map(\.version) == ["1.0", "1.0"])
        let other = FleetHello(3, .sample(299))
        let refused = FleetError.policyDiffers(
            key: "rate.windows", theirs: "[\"300/3s\", \"60/400ms\"]")
        #expect(await result { () throws(FleetError) in try await one.join(other) } == .failure(refused))
        let full = RedisLedger(RedisServers(port: server.port))
        for bits in [3, 4] as [UInt64] { _ = try await full.join(FleetHello(bits, .sample())) }
        #expect(
            await result { () throws(FleetError) in try await full.join(FleetHello(5, .sample())) }
                == .failure(.full(members: 4)))
        await one.leave(first)
        #expect(try await two.acquire([], by: second, seen: 0).view.members == [2, 3, 4].map { FleetMemberID($0) })
    }

    @Test("a server that has forgotten its scripts is told them again")
    func scriptFlush() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        let id = try await joined(ledger)
        #expect(try await server.say("SCRIPT FLUSH").hasPrefix("+OK"))
        #expect(try await ledger.acquire([FleetAsk(1)], by: id, seen: 0).granted.count == 1)
        var news = ledger.news(for: id).makeAsyncIterator()
        #expect(await news.next(isolation: #isolation) == .gap)
        try await server.say("SCRIPT FLUSH")
        guard case .current? = await news.next(isolation: #isolation) else { throw NeverHappened(what: "a lease") }
    }

    @Test("a server that is emptied knows nobody; who comes again with what it has seen makes it wait for reports")
    func flushed() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        let id = try await joined(ledger)
        let seen = try await ledger.acquire([], by: id, seen: 0).view.seq
        try await server.say("FLUSHALL")
        let unknown = await result { () throws(FleetError) in try await ledger.acquire([], by: id, seen: seen) }
        #expect(unknown == .failure(.unknownMember))
        let again = try await ledger.join(FleetHello(1, .sample(), seen: seen))
        #expect(again.view.epoch > seen && again.view.learning > 0 && again.isFirst)
        #expect(try await ledger.acquire([FleetAsk(1)], by: id, seen: again.view.seq).granted == [0])
    }

    @Test("a server that is killed is a cut at once, and one that comes back empty is noticed")
    func restart() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        let id = try await joined(ledger)
        let seen = try await ledger.acquire([], by: id, seen: 0).view.seq
        server.end()
        let dead = await result { () throws(FleetError) in try await ledger.acquire([], by: id, seen: seen) }
        guard case .failure(.cut(let why)) = dead else { throw NeverHappened(what: "a cut: \(dead)") }
        #expect(why.hasPrefix("redis://127.0.0.1:\(server.port): it "))
        let next = try await RedisProcess(port: server.port)
        defer { next.end() }
        let back = try await eventuallyJoins(ledger, FleetHello(1, .sample(), seen: seen))
        #expect(back.view.epoch > seen && back.view.learning > 0)
    }

    private func eventuallyJoins(_ ledger: RedisLedger, _ hello: FleetHello) async throws -> FleetJoined {
        let until = ContinuousClock.now + .seconds(20)
        while true {
            let joined = await result { () throws(FleetError) in try await ledger.join(hello) }
            if case .success(let joined) = joined { return joined }
            guard ContinuousClock.now < until else { throw NeverHappened(what: "a join: \(joined)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test("when the primary is gone its promoted replica is used, and found to be another server")
    func promotion() async throws {
        let primary = try await RedisProcess()
        defer { primary.end() }
        let replica = try await RedisProcess(["--replicaof", "127.0.0.1", "\(primary.port)"])
        defer { replica.end() }
        let servers = RedisServers(
            [RedisServer(host: "127.0.0.1", port: replica.port), RedisServer(host: "127.0.0.1", port: primary.port)],
            database: 0, credentials: nil, tls: nil)
        let ledger = RedisLedger(servers)
        let id = try await joined(ledger)
        try await eventually(says: "master_link_status:up", replica, "INFO replication")
        try await eventually(says: "policy", replica, "HGETALL \(Self.fleet)ctl")
        // As a failover that comes too early: both call themselves primaries, and one does not hear of what follows.
        try await replica.say("REPLICAOF NO ONE")
        let seen = try await ledger.acquire([FleetAsk(2)], by: id, seen: 0).view.seq
        primary.end()
        let back = try await eventuallyJoins(ledger, FleetHello(1, .sample(), seen: seen))
        #expect(back.view.epoch > seen && back.view.learning > 0)
        #expect(!back.isFirst)
    }

    private func eventually(says word: String, _ server: RedisProcess, _ command: String) async throws {
        let until = ContinuousClock.now + .seconds(20)
        while try await !server.say(command).contains(word) {
            guard ContinuousClock.now < until else { throw NeverHappened(what: "\(command) says \(word)") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test("a primary that becomes a replica is left for the other one")
    func demotion() async throws {
        let first = try await RedisProcess()
        defer { first.end() }
        let second = try await RedisProcess(["--replicaof", "127.0.0.1", "\(first.port)"])
        defer { second.end() }
        let servers = RedisServers(
            [first, second].map { RedisServer(host: "127.0.0.1", port: $0.port) }, database: 0, credentials: nil,
            tls: nil)
        let ledger = RedisLedger(servers)
        let id = try await joined(ledger)
        var news = ledger.news(for: id).makeAsyncIterator()
        #expect(await news.next(isolation: #isolation) == .gap)
        try await eventually(says: "policy", second, "HGETALL \(Self.fleet)ctl")
        try await second.say("REPLICAOF NO ONE")
        try await first.say("REPLICAOF 127.0.0.1 \(second.port)")
        let back = try await eventuallyJoins(ledger, FleetHello(1, .sample(), seen: 9_000))
        #expect(back.view.epoch > 9_000)
        try await eventually(says: "\(back.view.epoch)", second, "HGET \(Self.fleet)ctl epoch")
        // Its news come from there too, and what was missed in between is a gap.
        while let next = await news.next(isolation: #isolation), next != .gap {}
        let id2 = try await ledger.invalidate([5], everything: false, by: FleetMemberID(2))
        while let next = await news.next(isolation: #isolation) {
            guard case .invalidated(let told, [5], false) = next else { continue }
            #expect(RedisNewsID(text: told)?.number == RedisNewsID(text: id2)?.number)
            break
        }
    }

    @Test("a server that may let go of counts is named, with the setting and its right value")
    func eviction() async throws {
        let server = try await RedisProcess(["--maxmemory-policy", "allkeys-lru"])
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        let joined = await result { () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }
        guard case .failure(.unsafe(let why)) = joined else { throw NeverHappened(what: "refused: \(joined)") }
        #expect(why.contains("maxmemory-policy allkeys-lru") && why.hasSuffix("set it to noeviction"))
    }

    /// What docs/fleet.md says that a user needs.
    private static let commands =
        "info role select hmget eval evalsha xread time hget hgetall hset hsetnx hdel hvals hlen hexists hincrby zadd "
        + "zrem zscore zcard zrange zrangebyscore xadd del pexpire"

    @Test("a user with nothing but the commands that docs/fleet.md names can do all of it")
    func commands() async throws {
        let server = try await RedisProcess(
            ["--user", "clash", "on", ">letmein", "~cp1:*", "-@all"]
                + Self.commands.split(separator: " ").map { "+\($0)" })
        defer { server.end() }
        let ledger = RedisLedger(
            RedisServers(port: server.port, credentials: RedisCredentials(file: Array("clash:letmein".utf8))))
        let id = try await joined(ledger)
        var news = ledger.news(for: id).makeAsyncIterator()
        #expect(await news.next(isolation: #isolation) == .gap)
        let told = try await ledger.invalidate([1], everything: false, by: id)
        try await ledger.applied(told, by: id)
        await ledger.awaitApplied(told, maxLag: .zero)
        try await ledger.pause(FleetPause(scope: "*", cause: "a limit", left: 5), by: id)
        let sent = [[FleetCount(age: 1, count: 1)], [], []]
        _ = try await ledger.report(FleetReport(sent: sent, peers: [], others: [0, 0, 0]), by: id, seen: 0)
        _ = try await ledger.spendDelete(of: 1, limit: 1, span: 1000, log: 1, spent: [], by: id)
        try await ledger.returnDelete(of: 1, log: 1, by: id)
        _ = try await ledger.witness(FleetHead(log: "a", seq: 1, hash: "b", time: "c"), by: id)
        _ = try await ledger.takeSignIn(lease: 60_000, by: id)
        try await ledger.putSignIn([1], after: 0, by: id)
        try await ledger.releaseSignIn(by: id)
        #expect(try await ledger.claim([1], note: [2], keep: 60_000, by: id) == .taken)
        try await ledger.settle([1], [3], keep: 60_000, by: id)
        #expect(try await ledger.members(asking: id).map(\.id) == [id])
        await ledger.leave(id)
        #expect(try await server.say("ACL LOG") == "*0\r\n")
    }

    @Test("user and password, right, wrong and missing: in words, and never shown")
    func passwords() async throws {
        let server = try await RedisProcess(
            [
                "--requirepass", "open sesame", "--user", "clash", "on", ">letmein", "~cp1:*", "+@all", "-role",
            ],
            password: "\"open sesame\"")
        defer { server.end() }
        func join(_ text: String?) async -> Result<FleetJoined, FleetError> {
            let credentials = text.flatMap { RedisCredentials(file: Array($0.utf8)) }
            let ledger = RedisLedger(RedisServers(port: server.port, credentials: credentials))
            return await result { () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }
        }
        for right in ["open sesame\n", "default:open sesame", "clash:letmein\n"] {
            #expect(try await join(right).get().view.members.count == 1, "\(right)")
        }
        let name = "redis://127.0.0.1:\(server.port): "
        #expect(await join(nil) == .failure(.cut(name + RedisTrouble.passwordNeeded.text)))
        #expect(await join("clash:opensesame") == .failure(.cut(name + RedisTrouble.passwordRefused.text)))
        #expect(await join("nobody") == .failure(.cut(name + RedisTrouble.passwordRefused.text)))
    }

    @Test("a database of its own is used")
    func database() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port, database: 3))
        _ = try await ledger.join(FleetHello(1, .sample()))
        #expect(ledger.engine.hasSuffix("/3"))
        #expect(try await server.say("INFO keyspace").contains("db3:keys="))
        #expect(try await !server.say("INFO keyspace").contains("db0:"))
        let none = RedisLedger(RedisServers(port: server.port, database: 999))
        let joined = await result { () throws(FleetError) in try await none.join(FleetHello(1, .sample())) }
        guard case .failure(.cut(let why)) = joined else { throw NeverHappened(what: "refused: \(joined)") }
        #expect(why.contains("DB index is out of range"))
    }

    @Test(
        "keys of somebody else's are left as they are, and said to be foreign",
        arguments: ["ctl", "mem", "who", "cool", "vt", "inv", "ack", "w:0"])
    func foreign(key: String) async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        let id = try await joined(ledger)
        try await server.say("DEL \(Self.fleet)\(key)")
        try await server.say("SET \(Self.fleet)\(key) mine")
        let acquired: Result<Void, FleetError> =
            switch key {
            case "inv", "ack":
                await result { () throws(FleetError) in _ = try await ledger.invalidate([1], everything: false, by: id)
                }
            case "who":
                await result { () throws(FleetError) in _ = try await ledger.members(asking: id) }
            default:
                await result { () throws(FleetError) in _ = try await ledger.acquire([FleetAsk(1)], by: id, seen: 0) }
            }
        guard case .failure(.foreign(let why)) = acquired else { throw NeverHappened(what: "foreign: \(acquired)") }
        #expect(why.contains("belongs to somebody else"))
        #expect(try await server.say("GET \(Self.fleet)\(key)").contains("mine"))
    }

    @Test("a ledger of another version is left alone")
    func format() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        try await server.say("HSET \(Self.fleet)ctl fmt 2")
        let ledger = RedisLedger(RedisServers(port: server.port))
        let joined = await result { () throws(FleetError) in try await ledger.join(FleetHello(1, .sample())) }
        guard case .failure(.foreign(let why)) = joined else { throw NeverHappened(what: "foreign: \(joined)") }
        #expect(why.contains("format 2"))
    }
}
