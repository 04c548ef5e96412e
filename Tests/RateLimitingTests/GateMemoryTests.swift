// What survives a restart.

import Ground
import Synchronization
import TestSupport
import Testing

@testable import RateLimiting

@Suite("A gate's memory")
struct GateMemoryTests {
    private static let now: Int64 = 1_795_341_600_000

    private static let memory = GateMemory(pauses: [
        .init(scope: .everything, cause: .tier, endsAt: now + 5000),
        .init(scope: .api(.v1), cause: .api, endsAt: now + 60_000),
        .init(scope: .operation("v2.runs.start"), cause: .operation, endsAt: now + 86_400_000),
    ])

    @Test("what was written is read, without what has ended or cannot be")
    func roundTrip() {
        #expect(GateMemory(text: Self.memory.text, wallMilliseconds: Self.now) == Self.memory)
        #expect(
            GateMemory(text: Self.memory.text, wallMilliseconds: Self.now + 5000)?.pauses.map(\.scope)
                == [.api(.v1), .operation("v2.runs.start")])
        #expect(GateMemory(text: Self.memory.text, wallMilliseconds: Self.now + 1_000_000_000)?.pauses == [])
        // The clock was set back by two days.
        #expect(GateMemory(text: Self.memory.text, wallMilliseconds: Self.now - 172_800_000)?.pauses == [])
        #expect(GateMemory(text: Self.memory.text, wallMilliseconds: .min)?.pauses == [])
        #expect(GateMemory(text: GateMemory(pauses: []).text, wallMilliseconds: Self.now)?.pauses == [])
    }

    @Test("what release 1 wrote is still read")
    func earlierRelease() {
        let text = "clash-proxy gate 1\npause 1795955515339 tier everything\nsum c7b9c73d45684ad1\n"
        let end: Int64 = 1_795_955_515_339
        #expect(
            GateMemory(text: text, wallMilliseconds: end - 5000)
                == GateMemory(pauses: [.init(scope: .everything, cause: .tier, endsAt: end)]))
    }

    @Test("a file that is cut, changed by one character, or something else altogether counts as none")
    func damage() {
        let text = Array(Self.memory.text.utf8)
        for length in 0..<text.count {
            #expect(
                GateMemory(text: String(decoding: text[..<length], as: UTF8.self), wallMilliseconds: Self.now) == nil)
        }
        var random = SeededGenerator(seed: 11)
        for index in text.indices {
            var damaged = text
            damaged[index] ^= UInt8.random(in: 1...127, using: &random)
            let memory = GateMemory(text: String(decoding: damaged, as: UTF8.self), wallMilliseconds: Self.now)
            // The sum is hexadecimal; its letters may change their case.
            #expect(memory == nil || memory == Self.memory, "at \(index)")
        }
        for text in ["", "\n\n\n", "{}", "clash-proxy gate 2\nsum 0\n", "clash-proxy gate 1\nsum zz\n"] {
            #expect(GateMemory(text: text, wallMilliseconds: Self.now) == nil)
        }
    }

    @Test(
        "a new gate holds to the pause that the former one was told, by the wall clock, and writes only what is longer")
    func restart() async throws {
        let clock = TestClock()
        let written = Mutex<[String]>([])
        let file = GateStateFile(
            read: { written.withLock { $0.last } }, write: { text in written.withLock { $0.append(text) } },
            wallMilliseconds: { Self.now + clock.elapsed.clampedNanoseconds / 1_000_000 })
        let time = Time(now: { clock.now }, sleep: { try await clock.sleep(until: $0) })
        let limits = GateLimits(windows: [GateWindow(limit: 1000, span: .seconds(60))])
        do {
            let gate = Gate(limits: limits, time: time, seed: 1, file: file)
            var permit = try await gate.admit(call())
            try await permit.send()
            permit.refused(cause: .tier, retryAfter: .told(.seconds(40)))
            permit.refused(cause: .tier, retryAfter: .told(.seconds(20)))
        }
        #expect(written.withLock { $0.count } == 1)
        clock.advance(by: .seconds(15))
        let gate = Gate(limits: limits, time: time, seed: 2, file: file)
        let pause = try #require(gate.pause(for: call()))
        #expect((.seconds(25)...(.seconds(27))).contains(pause))
        #expect(gate.statistics.pauses.map(\.cause) == [.tier])
        #expect(!gate.isOpen)
        clock.advance(by: pause)
        #expect(gate.isOpen)
        #expect(gate.statistics.windows[0].spent == 0, "nobody has called here")
    }

    @Test("a damaged file is as none")
    func damagedFile() {
        let file = GateStateFile(
            read: { "clash-proxy gate 1\nrubbish" }, write: { _ in }, wallMilliseconds: { Self.now })
        let gate = Gate(limits: GateLimits(windows: []), seed: 1, file: file)
        #expect(gate.statistics.pauses.isEmpty)
    }
}
