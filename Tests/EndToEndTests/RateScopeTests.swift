// Whose limits they are, and for how long: windows for each token's client in pass-through mode, pauses that outlive the
// process.

import FoundationEssentials
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateScopeTests {
    // MARK: Pass-through

    @Test("in pass-through mode one token's 429 closes nothing for another", arguments: [true, false])
    func passthrough(cached: Bool) async throws {
        try await withLimits(["token.mode=passthrough", "cache.enabled=\(cached)"]) { rig, origin async throws in
            let (one, two) = (("Authorization", "Bearer one"), ("Authorization", "Bearer two"))
            origin.refuseOnce(tooMany("100"))
            let held = try await rig.begin("GET", Path.tests, [one])
            try await rig.waitForQueue(1)
            #expect(try await rig.isHeld(Path.reports, [one]))
            #expect(try await rig.isHeld(Path.reports, [two]) == false)
            rig.clock.advance(by: .seconds(102))
            #expect(try await held.answer().status == 200)
            #expect(try await rig.figure("gate_upstream_refusals_total") == 1, "metrics are the sum")
        }
    }

    @Test("in pass-through mode each token that upstream has accepted has the windows of its client, or its own")
    func passthroughWindows() async throws {
        try await withLimits(["token.mode=passthrough", "rate.windows=60/1m"]) { rig, origin async throws in
            for name in ["one", "two", "three"] {
                let token = ("Authorization", "Bearer \(name)")
                #expect(try await rig.isHeld(Path.tests, [token]) == false)
                #expect(try await rig.isHeld(Path.tests, [("Authorization", "Bearer new")]), "newcomers share a tenth")
                // Half of the burst, then no more.
                for _ in 0..<3 { #expect(try await rig.isHeld(Path.tests, [token]) == false) }
                #expect(try await rig.isHeld(Path.tests, [token]))
                rig.clock.advance(by: .seconds(11))
            }
            #expect(origin.count == 12)
        }
    }

    // MARK: Over a restart

    /// Two proxies one after the other, on one clock and with one file of the fleet.
    private func restart(
        _ flags: [String] = [], _ before: (Rig, LimitedOrigin, String) async throws -> Void,
        between: (String) throws -> Void = { _ in }, _ after: (Rig, LimitedOrigin) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let clock = ShiftedClock(isFrozen: true)
        let path = folder.path + "/gate"
        let flags = ["rate.max_wait=10m", "fleet.engine=file:\(path)"] + flags
        func run(_ part: (Rig, LimitedOrigin) async throws -> Void) async throws {
            let origin = LimitedOrigin(clock) { _, _ in ok }
            defer { origin.server.stop() }
            try await withRig { options in
                options.clock = clock
                options.origin = origin.server
                options.flags = flags
            } _: { rig async throws in
                try await part(rig, origin)
            }
        }
        try await run { rig, origin in try await before(rig, origin, path) }
        // The end of the first has let the clock run; it goes on from there.
        try between(path)
        try await run(after)
    }

    @Test("a pause outlives the process that was told of it")
    func stateFile() async throws {
        try await restart { rig, origin, path async throws in
            origin.refuseOnce(tooMany("300", naming: "API"))
            #expect(try await rig.isHeld(Path.tests))
            try await told(rig)
        } _: { rig, origin async throws in
            let told = try await rig.get(Path.reports, [("Prefer", "wait=0")])
            // A clock that runs on: a slow machine's own seconds count as well.
            told.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 180...303)
            #expect(try await rig.isHeld("/clashdetection/tests") == false, "with its width")
            #expect(origin.count == 1)
            rig.clock.advance(by: .seconds(302))
            #expect(try await rig.isHeld(Path.reports) == false)
        }
    }

    @Test("without an engine a restart knows nothing of pauses")
    func noEngine() async throws {
        try await restart(["fleet.engine="]) { rig, origin, _ async throws in
            origin.refuseOnce(tooMany("300"))
            #expect(try await rig.isHeld(Path.tests))
        } _: { rig, _ async throws in
            #expect(try await rig.isHeld(Path.tests) == false)
        }
    }

    /// Returns when the pause is in the file: what is asked of it comes one after the other.
    private func told(_ rig: Rig) async throws {
        _ = try await rig.admin("/status.json")
    }
}
