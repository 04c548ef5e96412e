// Deletes whose answers are lost, many at once or carried out late: each is looked at, before everybody else's calls, until
// it is gone or five seconds are over. All times are on a clock that the test moves.

import FoundationEssentials
import Proxy
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct SettlingCrowdTests {
    /// An upstream that carries deletes out without an answer, or as a test says; everything else it answers.
    private final class Lossy: Sendable {
        struct Look: Sendable {
            let at: ContinuousClock.Instant
            let target: String
        }

        let looks = Mutex([Look]())
        let deletes = Atomic(0)
        let reads = Atomic(0)
        let answer: Mutex<@Sendable (ContinuousClock.Instant) -> String>

        /// - Parameter answer: what a look is told.
        init(_ answer: @escaping @Sendable (ContinuousClock.Instant) -> String) { self.answer = Mutex(answer) }

        func server(_ clock: ShiftedClock, deleteAnswer: String? = nil) -> ScriptedOrigin {
            ScriptedOrigin { [self] connection in
                while true {
                    let request = try connection.readRequest()
                    if !request.requestLine.hasPrefix("GET ") {
                        deletes.add(1, ordering: .relaxed)
                        guard let deleteAnswer else { return connection.reset() }
                        try connection.send(deleteAnswer)
                        if deleteAnswer.contains("Content-Length: 100\r\n") { return connection.closeWrite() }
                    } else if request.requestLine.contains("/reports/r-") {
                        looks.withLock { $0.append(Look(at: clock.now, target: request.requestLine)) }
                        try connection.send(answer.withLock { $0 }(clock.now))
                    } else {
                        reads.add(1, ordering: .relaxed)
                        try connection.send(ok)
                    }
                }
            }
        }
    }

    private static let gone = json("{}", status: "404 Not Found")

    private func withLossy(
        _ lossy: Lossy, deleteAnswer: String? = nil, flags: [String] = [],
        _ body: (Rig, ContinuousClock.Instant) async throws -> Void
    ) async throws {
        let clock = ShiftedClock(isFrozen: true)
        let server = lossy.server(clock, deleteAnswer: deleteAnswer)
        defer { server.stop() }
        try await withRig { options in
            options.clock = clock
            options.origin = server
            options.flags = flags
        } _: { rig async throws in
            try await body(rig, clock.now)
        }
    }

    private func delete(_ rig: Rig, _ number: Int) async throws -> RawClient {
        try await rig.begin(
            "POST", "/clash-detection/itwins/i/reports/jobs/deletion", [("x-correlation-id", "d-\(number)")],
            body: #"{"jobs":["r-\#(number)"],"operation":"delete"}"#)
    }

    @Test(
        "sixteen and forty deletes whose answers are lost at once are all settled, and a read meanwhile has its turn",
        arguments: [16, 40], [16, 1])
    func crowd(count: Int, places: Int) async throws {
        let lossy = Lossy { _ in Self.gone }
        try await withLossy(lossy, flags: ["rate.max_in_flight=\(places)"]) { rig, _ async throws in
            var clients: [RawClient] = []
            for number in 0..<count { clients.append(try await delete(rig, number)) }
            let read = try await rig.begin("GET", "/clashdetection/tests")
            for (number, client) in clients.enumerated() {
                let answer = try await client.answer(to: "POST")
                #expect(answer.status == 202 && answer.text == "{}", "\(number): \(answer.text)")
                #expect(try rig.story(of: "d-\(number)") == ["intent", "outcome deleted"])
            }
            #expect(try await read.answer().status == 200)
            #expect(lossy.deletes.load(ordering: .relaxed) == count, "each was sent once")
            #expect(lossy.looks.withLock { $0.count } == count, "the first look showed it, and no time has passed")
        }
    }

    @Test(
        "a delete that is carried out after its answer was lost, or after a gateway's 504, is found to be done",
        arguments: [nil, "504 Gateway Timeout"], [1.9, 3.0, 4.6])
    func late(status: String?, after seconds: Double) async throws {
        let start = Mutex<ContinuousClock.Instant?>(nil)
        let lossy = Lossy { now in
            let lost = start.withLock { $0 } ?? now
            return now - lost < .seconds(seconds) ? json("{}") : Self.gone
        }
        try await withLossy(lossy, deleteAnswer: status.map { json("{}", status: $0) }) { rig, now async throws in
            start.withLock { $0 = now }
            let client = try await delete(rig, 1)
            try await pass(rig, lossy, until: .seconds(seconds + 1.1))
            let answer = try await client.answer(to: "POST")
            #expect(answer.status == 202 && answer.text == "{}")
            #expect(try rig.story(of: "d-1") == ["intent", "outcome deleted"])
            #expect(lossy.deletes.load(ordering: .relaxed) == 1)
            let times = lossy.looks.withLock { $0.map(\.at) }
            #expect(times.count > 4 && times.count <= 8)
        }
    }

    private static let page = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<hr>"
    private static let itwin = json(
        #"{"error":{"code":"iTwinNotFound","message":"Requested iTwin is not available."}}"#, status: "404 Not Found")

    @Test(
        "a gateway's 404 page proves nothing about the object, nor does a 404 for its iTwin", arguments: [page, itwin])
    func gatewayPage(answer: String) async throws {
        let lossy = Lossy { _ in answer }
        try await withLossy(lossy) { rig, start async throws in
            let client = try await delete(rig, 1)
            try await pass(rig, lossy, until: .seconds(5))
            let answer = try await client.answer(to: "POST")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "d-1") == ["intent", "outcome unknown"])
        }
    }

    @Test(
        "half an answer to a delete is none, and it is looked at; a refusal stays one, however it ends",
        arguments: [
            ("202 Accepted", 202, "outcome deleted"), ("500 Internal Server Error", 202, "outcome deleted"),
            ("422 Unprocessable Content", 502, "outcome refused_upstream"),
        ])
    func half(status: String, answered: Int, outcome: String) async throws {
        let lossy = Lossy { _ in Self.gone }
        let half = "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":"
        try await withLossy(lossy, deleteAnswer: half) { rig, _ async throws in
            let answer = try await delete(rig, 1).answer(to: "POST")
            #expect(answer.status == answered)
            #expect(try rig.story(of: "d-1") == ["intent", outcome])
            #expect(lossy.deletes.load(ordering: .relaxed) == 1)
            #expect(lossy.looks.withLock { $0.isEmpty } == (answered == 502))
        }
    }

    @Test(
        "what is still there when five seconds are over is unknown, and the tool hears what upstream said, or that",
        arguments: [nil, "503 Service Unavailable"])
    func stillThere(status: String?) async throws {
        let lossy = Lossy { _ in json("{}") }
        try await withLossy(lossy, deleteAnswer: status.map { json("{}", status: $0) }) { rig, start async throws in
            let client = try await delete(rig, 1)
            try await pass(rig, lossy, until: .milliseconds(4990))
            #expect(try rig.story(of: "d-1") == ["intent"], "it is not over yet")
            rig.clock.advance(by: .milliseconds(10))
            let answer = try await client.answer(to: "POST")
            if status == nil {
                answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
                #expect(answer.text.contains("still there when last looked at"))
            } else {
                #expect(answer.status == 503 && answer["Proxy-Status"] == nil)
            }
            #expect(try rig.story(of: "d-1") == ["intent", "outcome unknown"])
            let last = try #require(lossy.looks.withLock { $0.last })
            #expect(last.at - start >= .milliseconds(4700))
        }
    }

    @Test("a look for which the windows have no room is not made, and the outcome is unknown at once")
    func noRoom() async throws {
        let lossy = Lossy { _ in Self.gone }
        try await withLossy(lossy, flags: ["rate.windows=1/1m"]) { rig, _ async throws in
            let answer = try await delete(rig, 1).answer(to: "POST")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(lossy.looks.withLock { $0.isEmpty })
            #expect(try rig.story(of: "d-1") == ["intent", "outcome unknown"])
        }
    }

    @Test("a look goes ahead of the pace as long as the window has room")
    func aheadOfPace() async throws {
        let lossy = Lossy { _ in Self.gone }
        try await withLossy(lossy, flags: ["rate.windows=10/1m"]) { rig, _ async throws in
            #expect(try await delete(rig, 1).answer(to: "POST").status == 202)
            #expect(try await rig.isHeld("/clashdetection/tests"), "others keep to it")
        }
    }

    @Test("what start-up settles ends with the proxy, and what it could not settle stays open for the next one")
    func startUp() async throws {
        let lossy = Lossy { _ in json("{}") }
        try await withLossy(lossy) { rig, _ async throws in
            let client = try await delete(rig, 1)
            try await eventually("a first look") { lossy.looks.withLock { $0.count == 1 } }
            // What a crash would leave: an intent without an outcome.
            let copy = "\(rig.folder.path)/copy"
            try FileManager.default.copyItem(atPath: rig.auditFolder, toPath: copy)
            let second = try await rig.startAnother(audit: "copy")
            try await eventually("its look") { lossy.looks.withLock { $0.count == 2 } }
            #expect(await second.sidecar.drain())
            #expect(try rig.story(of: "d-1", in: copy) == ["intent"])
            lossy.answer.withLock { $0 = { _ in Self.gone } }
            let third = try await rig.startAnother(audit: "copy")
            try await eventually("it is settled") {
                try rig.story(of: "d-1", in: copy) == ["intent", "recovered deleted"]
            }
            #expect(await third.sidecar.drain())
            rig.clock.advance(by: .milliseconds(250))
            #expect(try await client.answer(to: "POST").status == 202)
        }
    }

    /// Lets time pass in steps, each after the looks of the one before have been answered.
    private func pass(_ rig: Rig, _ lossy: Lossy, until end: Duration) async throws {
        try await eventually("a first look") { lossy.looks.withLock { !$0.isEmpty } }
        let start = rig.clock.now
        while rig.clock.now - start < end {
            try await rig.settle()
            rig.clock.advance(by: min(.milliseconds(50), end - (rig.clock.now - start)))
            try await Task.sleep(for: .milliseconds(2))
        }
        try await rig.settle()
    }
}
