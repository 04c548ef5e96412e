// Pages and pauses over members, at a real server.

import Ground
import TestSupport
import Testing

@testable import Fleet

@Suite(.enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .timeLimit(.minutes(2)))
struct RedisNewsTests {
    private let one = FleetMemberID(1), two = FleetMemberID(2)

    private func next(
        _ news: inout AsyncStream<FleetNews>.Iterator, but skipped: (FleetNews) -> Bool
    ) async throws -> FleetNews {
        while let new = await news.next(isolation: #isolation) { if !skipped(new) { return new } }
        throw NeverHappened(what: "news")
    }

    private func isLease(_ news: FleetNews) -> Bool { if case .current = news { true } else { false } }

    @Test("what one says is untrue the others hear in order, and who said it does not")
    func order() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        var others = ledger.news(for: two).makeAsyncIterator()
        var own = ledger.news(for: one).makeAsyncIterator()
        #expect(try await next(&others) { _ in false } == .gap)
        #expect(try await next(&own) { _ in false } == .gap)
        var ids: [String?] = []
        for number in 1...20 as ClosedRange<UInt64> {
            let id = try await ledger.invalidate([number, .max - number], everything: number == 20, by: one)
            ids.append(RedisNewsID(text: id).map { RedisNewsID(number: $0.number, born: $0.born).text })
        }
        try await ledger.pause(FleetPause(scope: "api v2", cause: "a limit", left: 900), by: one)
        for number in 1...20 as ClosedRange<UInt64> {
            let told = try await next(&others, but: isLease)
            #expect(
                told
                    == .invalidated(
                        id: ids[Int(number) - 1] ?? "", tags: [number, .max - number], everything: number == 20))
        }
        guard case .paused(let pause) = try await next(&others, but: isLease) else {
            throw NeverHappened(what: "a pause")
        }
        #expect(pause.scope == "api v2" && pause.cause == "a limit" && pause.left == 900)
        _ = try await ledger.invalidate([99], everything: false, by: two)
        #expect(
            try await next(&own, but: isLease)
                == .invalidated(id: "22@\(RedisNewsID(text: ids[0] ?? "")?.born ?? "")", tags: [99], everything: false))
    }

    @Test("a pause that is known already is not told again, and one that ends earlier changes nothing")
    func pauses() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        for left in [60_000, 1_000, 60_000 - 5_000] {
            try await ledger.pause(FleetPause(scope: "*", cause: "so \(left)", left: left), by: one)
        }
        let view = try await ledger.acquire([], by: one, seen: 0).view
        #expect(view.pauses.map(\.cause) == ["so 60000"] && view.pauses.allSatisfy { $0.left > 55_000 })
        #expect(try await server.say("XLEN cp1:{0123456789abcdef}:inv") == ":1\r\n")
    }

    @Test("who deletes waits until the others have applied it, and no longer")
    func applied() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        // So long that a wait for its end would fail the test.
        let lag = Duration.seconds(3600)
        let ledger = RedisLedger(RedisServers(port: server.port), maxLag: lag)
        _ = try await ledger.join(FleetHello(1, .sample()))
        try await server.say("HSET cp1:{0123456789abcdef}:ctl ls 1")
        var news = ledger.news(for: two).makeAsyncIterator()
        #expect(try await next(&news) { _ in false } == .gap)
        let id = try await ledger.invalidate([7], everything: false, by: one)
        guard case .invalidated(let told, _, _) = try await next(&news, but: isLease) else {
            throw NeverHappened(what: "an invalidation")
        }
        async let waiting: Void = ledger.awaitApplied(id, maxLag: lag)
        try await ledger.applied(told, by: two)
        await waiting
    }

    @Test("who does not hear is waited for as long as it may show pages, and no longer")
    func deaf() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let lag = Duration.milliseconds(200)
        let ledger = RedisLedger(RedisServers(port: server.port), maxLag: lag)
        _ = try await ledger.join(FleetHello(1, .sample()))
        var news = ledger.news(for: two).makeAsyncIterator()
        #expect(try await next(&news) { _ in false } == .gap)
        let id = try await ledger.invalidate([7], everything: false, by: one)
        let began = ContinuousClock.now
        await ledger.awaitApplied(id, maxLag: lag)
        #expect(ContinuousClock.now - began >= .milliseconds(150))
        // An engine that cannot say anything is the same.
        server.end()
        let again = ContinuousClock.now
        await ledger.awaitApplied(id, maxLag: lag)
        #expect(ContinuousClock.now - again >= lag)
    }

    @Test("a trimmed or emptied stream is a gap, and so is a server that comes back empty")
    func gaps() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        var news = ledger.news(for: two).makeAsyncIterator()
        #expect(try await next(&news) { _ in false } == .gap)
        #expect(isLease(try await next(&news) { _ in false }))
        // Said and trimmed in one step, so that no reader can have seen it.
        try await server.say(
            "EVAL \"redis.call('HINCRBY','cp1:{0123456789abcdef}:ctl','inv',3) return 1\" 1 cp1:{0123456789abcdef}:ctl")
        #expect(try await next(&news, but: isLease) == .gap)
        try await server.say("FLUSHALL")
        #expect(try await next(&news, but: isLease) == .gap)
        server.end()
        let empty = try await RedisProcess(port: server.port)
        defer { empty.end() }
        #expect(try await next(&news, but: isLease) == .gap)
        #expect(isLease(try await next(&news) { _ in false }))
    }

    @Test("a lease counts from when the question was sent")
    func leases() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        var news = ledger.news(for: two).makeAsyncIterator()
        #expect(try await next(&news) { _ in false } == .gap)
        var last = ContinuousClock.now - .seconds(60)
        for _ in 0..<4 {
            guard case .current(let asOf)? = await news.next(isolation: #isolation) else {
                throw NeverHappened(what: "a lease")
            }
            // The engine has waited for news in between.
            #expect(asOf > last && asOf < ContinuousClock.now)
            last = asOf
        }
    }

    @Test("pages may be shown when a lease was taken, and no longer when there is a gap or the lease is over")
    func pages() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port), maxLag: .seconds(3600))
        var news = ledger.news(for: two).makeAsyncIterator()
        #expect(!ledger.mayShowPages)
        #expect(try await next(&news) { _ in false } == .gap)
        #expect(!ledger.mayShowPages)
        #expect(isLease(try await next(&news) { _ in false }))
        #expect(ledger.mayShowPages)
        try await server.say("FLUSHALL")
        #expect(try await next(&news, but: isLease) == .gap)
        #expect(!ledger.mayShowPages)
        let short = RedisLedger(RedisServers(port: server.port), maxLag: .milliseconds(100))
        var others = short.news(for: one).makeAsyncIterator()
        #expect(isLease(try await next(&others) { $0 == .gap }))
        server.end()
        try await eventually("the lease is over") { !short.mayShowPages }
    }

    @Test("what could not be told is told when the engine answers again, as everything")
    func untold() async throws {
        let server = try await RedisProcess(["--user", "clash", "on", ">letmein", "~*", "+@all"])
        defer { server.end() }
        let cut = RedisLedger(
            RedisServers(port: server.port, credentials: RedisCredentials(file: Array("clash:letmein".utf8))))
        let other = RedisLedger(RedisServers(port: server.port))
        _ = try await cut.join(FleetHello(1, .sample()))
        var news = other.news(for: two).makeAsyncIterator()
        #expect(try await next(&news) { _ in false } == .gap)
        try await server.say("ACL SETUSER clash -evalsha -eval")
        let told = await result { () throws(FleetError) in try await cut.invalidate([7], everything: false, by: one) }
        guard case .failure(.cut) = told else { throw NeverHappened(what: "a cut: \(told)") }
        try await server.say("ACL SETUSER clash +evalsha +eval")
        _ = try await cut.acquire([], by: one, seen: 0)
        guard case .invalidated(_, [], true) = try await next(&news, but: isLease) else {
            throw NeverHappened(what: "everything")
        }
    }

    @Test("news end with the member")
    func leave() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(2, .sample()))
        let news = ledger.news(for: two)
        await ledger.leave(two)
        for await _ in news {}
        #expect(try await server.say("HGETALL cp1:{0123456789abcdef}:who") == "*0\r\n")
    }
}
