// The life of a request that no cache stands before, branch by branch, without a socket: the edge, upstream and the clock
// are the test's.

import Configuration
import CurlTransport
import HTTPTypes
import NIOHTTP1
import RateLimiting
import Synchronization
import TestSupport
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(2))) struct FlowTests {
    private static let tests = "/clash-detection/itwins/i/tests"
    private static let report = "/clash-detection/reports/r"
    private static let deletion = "/clash-detection/itwins/i/reports/jobs/deletion"
    private static let deleteBody = #"{"jobs":["r"],"operation":"delete"}"#

    // MARK: Writes

    @Test("a write is sent once with the proxy's token and without the tool's, and its answer comes back")
    func write() async throws {
        let rig = try await FlowRig(FakeUpstream { _, _ in .json(#"{"id":"t"}"#, 201, ["X-Theirs": "1"]) })
        let reply = try await rig.call(
            .POST, Self.tests, [("Authorization", "Bearer mine"), ("x-correlation-id", "id-1"), ("X-Other", "2")],
            body: #"{"name":"n"}"#)
        #expect(reply.status == 201 && reply.body == #"{"id":"t"}"# && reply.isReusable)
        #expect(reply["X-Theirs"] == "1" && reply["x-correlation-id"] == "id-1" && reply["Via"] == "1.1 clash-proxy")
        #expect(reply.cacheStatus == "clash-proxy; fwd=method" && reply["Server-Timing"] != nil)
        let request = try #require(rig.upstream.requests.first)
        #expect(rig.upstream.calls == ["POST \(Self.tests)"])
        #expect(request.fields[.authorization] == "Bearer token-1" && request.fields[.correlationID] == "id-1")
        #expect(request.fields.lines.contains("X-Other: 2"))
        let lines = rig.accessLines()
        #expect(lines.count == 1 && lines[0].contains(" 201 upstream answered ") && lines[0].contains(" attempts=1"))
    }

    @Test("what surely was not carried out is sent again, at most twice")
    func unsent() async throws {
        let rig = try await FlowRig(
            FakeUpstream { (_, number) async throws(TransferFailure) in
                if number < 3 { throw TransferFailure(reason: .unreachable) }
                return .json("{}")
            })
        #expect(try await rig.call(.POST, Self.tests, body: "{}").status == 200)
        #expect(rig.upstream.requests.count == 3)
        rig.upstream.answer { (_, _) async throws(TransferFailure) in throw TransferFailure(reason: .unreachable) }
        let refused = try await rig.call(.POST, Self.tests, body: "{}")
        #expect(refused.status == 502 && refused["Proxy-Status"]?.contains("upstream-unreachable") == true)
        #expect(rig.upstream.requests.count == 6)
        #expect(rig.accessLines().last?.contains(" 502 proxy refused:upstream-unreachable ") == true)
    }

    @Test("what may have been carried out is never sent again")
    func unknown() async throws {
        let rig = try await FlowRig(
            FakeUpstream { (_, _) async throws(TransferFailure) in throw TransferFailure(reason: .broke, sent: true) })
        let reply = try await rig.call(.POST, Self.tests, body: "{}")
        #expect(reply.status == 504 && reply.body.contains("OutcomeUnknown"))
        #expect(rig.upstream.requests.count == 1)
    }

    @Test("a call that upstream refuses for now waits in its place and is sent again")
    func held() async throws {
        let refused = Latch()
        let rig = try await FlowRig(
            FakeUpstream { _, number in
                if number > 1 { return .json("{}") }
                refused.open()
                return .json("{}", 429, ["Retry-After": "3"])
            })
        let call = try await rig.begin(.POST, Self.tests, body: "{}")
        await refused.wait()
        try await rig.clock.waitForSleepers()
        rig.clock.advance(by: .seconds(5))
        #expect(try await call.value().status == 200)
        #expect(rig.upstream.requests.count == 2)
    }

    @Test("a call that may not wait for upstream's pause is told so")
    func notHeld() async throws {
        let rig = try await FlowRig(FakeUpstream { _, _ in .json("{}", 429, ["Retry-After": "3"]) })
        let reply = try await rig.call(.POST, Self.tests, [("Prefer", "wait=0")], body: "{}")
        #expect(reply.status == 429 && reply["Proxy-Status"]?.contains("rate-limited") == true)
        #expect(reply["Retry-After"].flatMap { Int($0) }.map { (3...5).contains($0) } == true)
    }

    // MARK: Rights and bodies

    @Test("a body that breaks off goes nowhere")
    func brokenBody() async throws {
        let rig = try await FlowRig()
        let call = try await rig.begin(.POST, Self.tests, body: "{", isWhole: false)
        call.breakBody()
        #expect(try await call.value().status == 400)
        #expect(rig.upstream.requests.isEmpty)
    }

    @Test("who wants nothing but stored answers gets none where there is no cache")
    func onlyIfCached() async throws {
        let rig = try await FlowRig { $0.cache.enabled = false }
        let reply = try await rig.get(Self.tests, [("Cache-Control", "only-if-cached")])
        #expect(reply.status == 504 && reply.body.contains("NotCached") && rig.upstream.requests.isEmpty)
    }

    // MARK: Deletes

    @Test("a delete's intent is on disk when it is sent, and its outcome when the tool hears of it")
    func audited() async throws {
        let seen = Mutex("")
        let rig = try await FlowRig { $0.audit.snapshot = false }
        rig.upstream.answer { [rig] _, _ in
            seen.withLock { $0 = rig.auditText }
            return .json("{}", 202)
        }
        let reply = try await rig.call(
            .POST, Self.deletion, [("x-correlation-id", "id-7"), ("X-Audit-Reason", "old")], body: Self.deleteBody)
        #expect(reply.status == 202)
        let before = seen.withLock { $0 }
        #expect(before.contains(#""intent""#) && before.contains("id-7") && before.contains("old"))
        #expect(!before.contains(#""outcome""#) && rig.auditText.contains(#""outcome""#))
        #expect(rig.upstream.requests.allSatisfy { !$0.fields.lines.contains("X-Audit-Reason: old") })
    }

    @Test("what a delete destroys is read first, and then it waits for a turn of its own")
    func snapshot() async throws {
        let rig = try await FlowRig(
            FakeUpstream { request, _ in
                request.method == .get ? .json(#"{"reports":[{"id":"r","displayName":"mine"}]}"#) : .json("{}", 202)
            })
        #expect(try await rig.call(.POST, Self.deletion, body: Self.deleteBody).status == 202)
        #expect(rig.upstream.calls == ["GET /clash-detection/itwins/i/reports?$top=100", "POST \(Self.deletion)"])
        #expect(rig.auditText.contains("mine"))
    }

    @Test("a delete that nobody answered was carried out where its object is gone")
    func settled() async throws {
        let rig = try await FlowRig(
            FakeUpstream { (request, _) async throws(TransferFailure) in
                if request.method == .get { return .json("{}", 404) }
                throw TransferFailure(reason: .broke, sent: true)
            }
        ) { $0.audit.snapshot = false }
        let reply = try await rig.call(.POST, Self.deletion, body: Self.deleteBody)
        #expect(reply.status == 202 && reply.cacheStatus == "clash-proxy; fwd=method; detail=settled")
        #expect(rig.upstream.calls.filter { $0.hasPrefix("POST") }.count == 1)
        #expect(rig.auditText.contains(#""deleted""#))
    }

    @Test("settling goes on while upstream is down, and finds the truth when it is back in time")
    func settledThroughOutage() async throws {
        let clock = Mutex<TestClock?>(nil)
        let lost = Mutex<ContinuousClock.Instant?>(nil)
        let rig = try await FlowRig(
            FakeUpstream { (request, _) async throws(TransferFailure) in
                guard let now = clock.withLock({ $0?.now }) else { return .json("{}") }
                guard request.method == .get else {
                    lost.withLock { $0 = now }
                    throw TransferFailure(reason: .broke, sent: true)
                }
                if let lost = lost.withLock({ $0 }), now - lost >= .milliseconds(3_500) { return .json("{}", 404) }
                throw TransferFailure(reason: .unreachable, sent: false)
            }
        ) { $0.audit.snapshot = false }
        clock.withLock { $0 = rig.clock }
        let call = try await rig.begin(.POST, Self.deletion, body: Self.deleteBody)
        let pusher = Task { [clock = rig.clock] in
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(5))
                clock.advance(by: .milliseconds(50))
            }
        }
        defer { pusher.cancel() }
        #expect(try await call.value().status == 202)
        #expect(rig.auditText.contains(#""deleted""#))
    }

    @Test("a delete that was never sent costs nothing of its caller's budget, and is recorded all the same")
    func budgetOfUnsent() async throws {
        let isDown = Mutex(true)
        let rig = try await FlowRig(
            FakeUpstream { (_, _) async throws(TransferFailure) in
                if isDown.withLock({ $0 }) { throw TransferFailure(reason: .unreachable, sent: false) }
                return .json("{}", 202)
            }
        ) {
            $0.audit.snapshot = false
            $0.audit.deleteBudget = GateWindow(limit: 1, span: .seconds(3_600))
        }
        // Some fail on their own, then upstream is known to be down.
        for number in 1...4 {
            let call = try await rig.begin(
                .POST, Self.deletion, [("x-correlation-id", "n-\(number)")], body: Self.deleteBody)
            let pusher = Task { [clock = rig.clock] in
                while !Task.isCancelled {
                    try await Task.sleep(for: .milliseconds(5))
                    clock.advance(by: .milliseconds(20))
                }
            }
            defer { pusher.cancel() }
            #expect(try await call.value().status == 502)
            let records = rig.auditText.split(separator: "\n").filter { $0.contains("\"n-\(number)\"") }
            #expect(records.count == 2 && records.last?.contains(#""not_sent""#) == true, "\(records)")
        }
        isDown.withLock { $0 = false }
        rig.clock.advance(by: .seconds(20))
        var reply = try await rig.call(.POST, Self.deletion, body: Self.deleteBody)
        // The look that finds upstream again runs by itself.
        for _ in 0..<200 where reply.status == 502 {
            try await Task.sleep(for: .milliseconds(5))
            reply = try await rig.call(.POST, Self.deletion, body: Self.deleteBody)
        }
        #expect(reply.status == 202)
        let refused = try await rig.call(.POST, Self.deletion, [("x-correlation-id", "n-5")], body: Self.deleteBody)
        #expect(refused.status == 429 && refused.body.contains("DeleteBudgetExceeded"))
        #expect(rig.auditText.split(separator: "\n").contains { $0.contains(#""denied""#) && $0.contains(#""n-5""#) })
    }

    @Test("a delete that may not be is recorded as denied, and goes nowhere")
    func reasonRequired() async throws {
        let rig = try await FlowRig { $0.audit.requireReason = true }
        let reply = try await rig.call(.POST, Self.deletion, body: Self.deleteBody)
        #expect(reply.status == 428 && rig.upstream.requests.isEmpty)
        #expect(rig.auditText.contains(#""denied""#) && !rig.auditText.contains(#""intent""#))
    }

    // MARK: Ends

    @Test("a tool that leaves before its call was sent leaves no trace upstream", arguments: [true, false])
    func left(wasSent: Bool) async throws {
        let (arrived, goOn) = (Latch(), Latch())
        let rig = try await FlowRig(
            FakeUpstream { (request, _) async throws(TransferFailure) in
                arrived.open()
                await goOn.wait()
                if !wasSent { throw TransferFailure(reason: .cancelled) }
                return .json("{}")
            })
        let call = try await rig.begin(.POST, Self.tests, body: "{}")
        await arrived.wait()
        call.leave()
        goOn.open()
        #expect(try await call.value().status == 0, "nobody reads it")
        #expect(await rig.quiet())
        let word = wasSent ? "caller-left:sent" : "caller-left:not-sent"
        #expect(rig.accessLines().first?.contains(" 499 proxy \(word) ") == true)
    }

    @Test("a call that is cut short is answered by us, and nobody says that its tool had left")
    func cutShort() async throws {
        let arrived = Latch()
        let rig = try await FlowRig(
            FakeUpstream { (_, _) async throws(TransferFailure) in
                arrived.open()
                while !Task.isCancelled { await Task.yield() }
                throw TransferFailure(reason: .cancelled)
            })
        let call = try await rig.begin(.POST, Self.tests, body: "{}")
        await arrived.wait()
        call.cutShort()
        let reply = try await call.value()
        #expect(reply.status == 503 && reply.body.contains("ShuttingDown"))
        #expect(rig.accessLines().first?.contains(" refused:shutting-down ") == true)
    }

    @Test("an answer that breaks off before its head went out is an error, after it the connection is cut")
    func brokenAnswer() async throws {
        let failure = TransferFailure(reason: .truncated, sent: true, headReceived: true)
        let rig = try await FlowRig(
            FakeUpstream { _, _ in
                .with(
                    200, ["Content-Type": "application/octet-stream"],
                    body: FakeBody([[1, 2, 3]], declaresLength: false, failure: failure))
            })
        let reply = try await rig.call(.PUT, "/clash-detection/unknown/x", body: "{}")
        #expect(reply.status == 200 && !reply.isReusable && !reply.body.hasSuffix("0\r\n\r\n"))
        #expect(rig.accessLines().first?.contains(" cut:outcome-unknown ") == true)
    }
}
