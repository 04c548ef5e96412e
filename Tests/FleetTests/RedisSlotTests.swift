// What members hold one at a time, at a real server.

import Ground
import TestSupport
import Testing

@testable import Fleet

@Suite(.enabled(if: RedisProcess.isInstalled, "redis-server is not installed"), .timeLimit(.minutes(2)))
struct RedisSlotTests {
    private let one = FleetMemberID(1), two = FleetMemberID(2)

    @Test("one member at a time holds the sign-in; who has lost its lease puts nothing there")
    func signIn() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        let sealed: [UInt8] = [0, 0x0D, 0x0A, 0xFF]
        let first = try await ledger.takeSignIn(lease: 60_000, by: one)
        #expect(first == FleetSignIn(generation: 0, sealed: [], lease: 60_000, busy: 0))
        let busy = try await ledger.takeSignIn(lease: 60_000, by: two)
        #expect(busy.lease == nil && busy.busy > 50_000 && busy.generation == 0)
        #expect(await put(ledger, sealed, after: 0, by: two) == .failure(.fenced))
        #expect(await put(ledger, sealed, after: 0, by: one) == .success(true))
        #expect(await put(ledger, sealed, after: 0, by: one) == .failure(.fenced), "twice")
        let next = try await ledger.takeSignIn(lease: 60_000, by: two)
        #expect(next == FleetSignIn(generation: 1, sealed: sealed, lease: 60_000, busy: 0))
        #expect(await put(ledger, sealed, after: 0, by: two) == .failure(.fenced), "another generation")
        try await ledger.releaseSignIn(by: one)
        #expect(try await ledger.takeSignIn(lease: 1, by: one).lease == nil, "released by somebody else")
        try await ledger.releaseSignIn(by: two)
        #expect(try await ledger.takeSignIn(lease: 60_000, by: one).lease == 60_000)
    }

    private func put(
        _ ledger: RedisLedger, _ sealed: [UInt8], after generation: Int, by member: FleetMemberID
    ) async -> Result<Bool, FleetError> {
        await result { () throws(FleetError) in
            try await ledger.putSignIn(sealed, after: generation, by: member)
            return true
        }
    }

    @Test("a budget of deletes is one for all members, and what a log holds counts once")
    func deletes() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        func spend(_ member: FleetMemberID, _ spent: [FleetCount] = []) async throws -> Int? {
            try await ledger.spendDelete(
                of: 9, limit: 4, span: 3_600_000, log: member.bits, spent: spent, by: member)
        }
        let told = [FleetCount(age: 10, count: 1), FleetCount(age: 5_000, count: 1)]
        #expect(try await spend(one, told) == nil)
        #expect(try await spend(one, told) == nil)
        let wait = try #require(try await spend(two))
        #expect(wait > 3_000_000)
        #expect(try await ledger.spendDelete(of: 8, limit: 4, span: 3_600_000, log: 1, spent: [], by: one) == nil)
    }

    @Test("heads of all logs are kept; one that is behind what was seen is marked, for good")
    func witness() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        let a = FleetHead(log: "host a", seq: 100, hash: "aa", time: "2026-01-01T00:00:00Z")
        let b = FleetHead(log: "b", seq: 7, hash: "bb", time: "2026-01-01T00:00:01Z")
        #expect(try await ledger.witness(a, by: one) == [a])
        #expect(try await ledger.witness(b, by: two) == [b, a])
        var behind = a
        (behind.seq, behind.hash) = (99, "cc")
        var marked = a
        marked.regressed = true
        #expect(try await ledger.witness(behind, by: one) == [b, marked])
        behind.seq = 101
        (marked.seq, marked.hash) = (101, "cc")
        #expect(try await ledger.witness(behind, by: one) == [b, marked])
    }

    @Test("an Idempotency-Key is one member's until it settles it, and its answer everybody's then")
    func claims() async throws {
        let server = try await RedisProcess()
        defer { server.end() }
        let ledger = RedisLedger(RedisServers(port: server.port))
        _ = try await ledger.join(FleetHello(1, .sample()))
        _ = try await ledger.join(FleetHello(2, .sample()))
        let (key, note): ([UInt8], [UInt8]) = ([1, 2, 3], [9, 0])
        #expect(try await ledger.claim(key, note: note, keep: 60_000, by: one) == .taken)
        #expect(try await ledger.claim(key, note: [], keep: 60_000, by: two) == .open(note))
        #expect(try await ledger.claim(key, note: note, keep: 60_000, by: one) == .taken, "its own")
        try await ledger.settle(key, [], keep: 60_000, by: two)
        #expect(try await ledger.claim(key, note: [], keep: 60_000, by: two) == .open(note), "freed by somebody else")
        let value = [UInt8](repeating: 5, count: 128 * 1024)
        try await ledger.settle(key, value, keep: 60_000, by: one)
        #expect(try await ledger.claim(key, note: [], keep: 60_000, by: two) == .settled(value))
        #expect(try await ledger.claim([4], note: note, keep: 60_000, by: one) == .taken)
        try await ledger.settle([4], [], keep: 60_000, by: one)
        #expect(try await ledger.claim([4], note: note, keep: 60_000, by: two) == .taken, "nothing was sent")
    }
}
