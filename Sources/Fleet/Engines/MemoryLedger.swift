// The ledger in memory: for one process, and for tests that need several members and no file.

import Ground
import Synchronization

/// Safe to use from any thread.
package final class MemoryLedger: FleetLedger {
    private struct State {
        var ledger: Ledger?
        var extras = LedgerExtras()
        var claims: [[UInt8]: Claim] = [:]
        var streams: [FleetMemberID: AsyncStream<FleetNews>.Continuation] = [:]
        var applied: [FleetMemberID: Int] = [:]
        var last = 0
        var trouble: FleetError?
    }

    private struct Claim {
        var member: FleetMemberID
        var note: [UInt8]
        var value: [UInt8]?
        var expires: Int
    }

    package let engine = "memory"
    package let pages: any FleetPages = NamedPages { true }
    private let time: Time
    private let start: ContinuousClock.Instant
    private let state = Mutex(State())

    package init(time: Time) {
        self.time = time
        start = time.now()
    }

    /// Every call throws this from now on; nil: none does.
    package func fail(with error: FleetError?) { state.withLock { $0.trouble = error } }

    /// Nobody else can be asked either.
    package var membersGoAlone: Bool { state.withLock { $0.trouble != nil } }

    private func with<Answer: Sendable>(
        _ body: (inout State, Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        // Read under the lock, so that the ledger sees time run one way.
        let result = state.withLock { state -> Result<Answer, FleetError> in
            if let trouble = state.trouble { return .failure(trouble) }
            let now = 1_000_000 + start.duration(to: time.now()).wholeMilliseconds
            return Result { () throws(FleetError) in try body(&state, now) }
        }
        return try result.get()
    }

    private func withLedger<Answer: Sendable>(
        _ body: (inout Ledger, Int) throws(FleetError) -> Answer
    ) throws(FleetError) -> Answer {
        try with { state, now throws(FleetError) in
            guard var ledger = state.ledger else { throw .unknownMember }
            let answer = try body(&ledger, now)
            state.ledger = ledger
            return answer
        }
    }

    package func join(_ hello: FleetHello) async throws(FleetError) -> FleetJoined {
        try with { state, now throws(FleetError) in
            var ledger = state.ledger ?? Ledger(policy: hello.policy, server: engine)
            let joined = try ledger.join(hello, server: engine, now: now)
            state.ledger = ledger
            state.applied[hello.id] = state.last
            return joined
        }
    }

    package func acquire(
        _ asks: [FleetAsk], by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetGrant {
        try withLedger { ledger, now throws(FleetError) in
            try ledger.acquire(asks, by: member, seen: seen, server: engine, now: now)
        }
    }

    package func report(
        _ report: FleetReport, by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetView {
        try withLedger { ledger, now throws(FleetError) in
            try ledger.report(report, by: member, seen: seen, server: engine, now: now)
        }
    }

    package func pause(_ pause: FleetPause, by member: FleetMemberID) async throws(FleetError) {
        try withLedger { ledger, now in ledger.pause(pause, now: now) }
        state.withLock { state in
            for (id, stream) in state.streams where id != member { stream.yield(.paused(pause)) }
        }
    }

    package func invalidate(
        _ tags: [UInt64], everything: Bool, by member: FleetMemberID
    ) async throws(FleetError) -> String {
        try with { state, _ in
            state.last += 1
            for stream in state.streams.values {
                stream.yield(.invalidated(id: "\(state.last)", tags: tags, everything: everything))
            }
            return "\(state.last)"
        }
    }

    package func applied(_ id: String, by member: FleetMemberID) async throws(FleetError) {
        try with { state, _ in state.applied[member] = max(state.applied[member] ?? 0, Int(id) ?? 0) }
    }

    package func awaitApplied(_ id: String, maxLag: Duration) async {
        let until = time.now() + maxLag
        while time.now() < until {
            let waits = try? with { state, now in
                (state.ledger?.living(now: now) ?? []).contains { (state.applied[$0] ?? 0) < Int(id) ?? 0 }
            }
            if waits == false { return }
            try? await time.sleep(time.now() + .milliseconds(1))
        }
    }

    package func news(for member: FleetMemberID) -> AsyncStream<FleetNews> {
        let (stream, continuation) = AsyncStream.makeStream(of: FleetNews.self, bufferingPolicy: .bufferingNewest(1024))
        state.withLock { $0.streams[member] = continuation }
        return stream
    }

    package func spendDelete(
        of caller: UInt64, limit: Int, span: Int, log: UInt64, spent: [FleetCount], by member: FleetMemberID
    ) async throws(FleetError) -> Int? {
        try with { state, now in
            state.extras.spendDelete(of: caller, limit: limit, span: span, log: log, spent: spent, now: now)
        }
    }

    package func returnDelete(of caller: UInt64, log: UInt64, by member: FleetMemberID) async throws(FleetError) {
        try with { state, _ in state.extras.returnDelete(of: caller, log: log) }
    }

    package func witness(_ head: FleetHead, by member: FleetMemberID) async throws(FleetError) -> [FleetHead] {
        try with { state, _ in state.extras.witness(head) }
    }

    package func takeSignIn(lease: Int, by member: FleetMemberID) async throws(FleetError) -> FleetSignIn {
        try with { state, now in state.extras.takeSignIn(lease: lease, by: member, now: now) }
    }

    package func putSignIn(
        _ sealed: [UInt8], after generation: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        try with { state, now throws(FleetError) in
            try state.extras.putSignIn(sealed, after: generation, by: member, now: now)
        }
    }

    package func releaseSignIn(by member: FleetMemberID) async throws(FleetError) {
        try with { state, _ in state.extras.releaseSignIn(by: member) }
    }

    package func claim(
        _ key: [UInt8], note: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) -> FleetClaim {
        try with { state, now in
            state.claims = state.claims.filter { $0.value.expires > now }
            if let claim = state.claims[key] {
                if let value = claim.value { return .settled(value) }
                if claim.member != member { return .open(claim.note) }
            }
            state.claims[key] = Claim(member: member, note: note, value: nil, expires: now + keep)
            return .taken
        }
    }

    package func settle(
        _ key: [UInt8], _ value: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) {
        try with { state, now in
            state.claims[key] = value.isEmpty ? nil : Claim(member: member, note: [], value: value, expires: now + keep)
        }
    }

    package func members(asking member: FleetMemberID) async throws(FleetError) -> [FleetMember] {
        try withLedger { ledger, now in ledger.roll(now: now) }
    }

    package func leave(_ member: FleetMemberID) async {
        let stream = state.withLock { state in
            state.ledger?.leave(member)
            return state.streams.removeValue(forKey: member)
        }
        stream?.finish()
    }
}
