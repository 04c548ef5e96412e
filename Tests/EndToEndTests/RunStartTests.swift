// Starts of runs: a lost answer is made good from the runs of the test where that is sure, two that are the same are one,
// and none is ever sent a second time.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RunStartTests {
    @Test(
        "started, and the answer lost: the tool gets what upstream would have said, and the log says started",
        arguments: [
            Fault.executeThenClose, .executeThenReset, .truncatedLength(after: 10), .truncatedChunked(after: 5),
        ],
        ["v1", "v2"])
    func answerLost(fault: Fault, version: String) async throws {
        try await withRig { rig async throws in
            let whole = try await rig.start(version, id: "whole")
            let before = rig.runs
            rig.simulator.inject(fault, where: RequestFilter(method: "POST", target: "/runs"))
            rig.clock.advance(by: .seconds(2))
            let answer = try await rig.settling { try await rig.start(version, id: "lost") }
            #expect(rig.runs.count == before.count + 1)
            let new = try #require(rig.runs.first { !before.contains($0) })
            let id = version == "v2" ? new : rig.simulator.legacyID(project: rig.iTwin, entity: new) ?? ""
            #expect(answer.status == whole.status && answer.ending == .complete)
            #expect(Self.shape(answer.text) == Self.shape(whole.text), "\(answer.text)\n\(whole.text)")
            #expect(answer.text.contains(id))
            #expect(!answer.text.contains("api.bentley.com"), "links lead to this proxy")
            #expect(answer["Content-Type"]?.hasPrefix("application/json") == true)
            #expect(answer["Cache-Status"]?.contains("settled") == true && answer["x-correlation-id"] == "lost")
            #expect(try rig.story(of: "lost") == ["intent", "outcome started"])
            #expect(rig.startsSent == 2)
            let line = try await rig.accessLog.line(with: " lost ")
            #expect(line.contains("settled"), "\(line)")
        }
    }

    /// The JSON without its ids and statuses.
    private static func shape(_ json: String) -> String {
        var isText = false
        var kept = ""
        for word in json.split(separator: "\"", omittingEmptySubsequences: false) {
            let isName = ["runs", "run", "testId", "clashReportId", "status", "id", "_links", "href"].contains(
                String(word))
            kept += isText && !isName ? "\"…\"" : isText ? "\"\(word)\"" : word.filter { !$0.isWhitespace }
            isText.toggle()
        }
        return kept
    }

    @Test(
        "carried out and answered with a 5xx: the run is found, on the first of several pages too",
        arguments: [500, 502, 504])
    func serverErrors(status: Int) async throws {
        let started = Mutex(false)
        let received = Received()
        let test = "aaaaaaaa-0000-4000-8000-000000000001"
        let server = origin(received) { _, request in
            if request.requestLine.hasPrefix("POST") {
                started.withLock { $0 = true }
                return json("{}", status: "\(status) Trouble")
            }
            func row(_ id: String, _ time: String) -> String {
                #"{"id":"\#(id)","configurationId":"\#(test)","executed":"\#(time)","jobId":"\#(id)","status":0}"#
            }
            let new = started.withLock { $0 } ? [row("new", "2026-01-01T00:00:02Z")] : []
            let rows = (new + [row("old", "2026-01-01T00:00:01Z")]).joined(separator: ",")
            return json(#"{"reports":[\#(rows)],"_links":{"next":{"href":"https://api.bentley.com/2"}}}"#)
        }
        try await withRig(origin: server) { rig async throws in
            let answer = try await rig.settling(isSimulated: false) {
                try await rig.call(
                    "POST", "\(rig.v2)/runs/jobs", [("x-correlation-id", "odd")],
                    body: #"{"jobs":[{"testId":"\#(test)"}],"operation":"run"}"#)
            }
            #expect(answer.status == 200 && answer.text.contains(#""clashReportId":"new""#), "\(answer.text)")
            #expect(try rig.story(of: "odd") == ["intent", "outcome started"])
            #expect(try rig.records(of: "odd").last?.line.status == status)
            #expect(received.all.count { $0.requestLine.hasPrefix("POST") } == 1)
        }
    }

    @Test(
        "503 with Retry-After says nothing of what was done: what changes something is never sent again for it",
        arguments: ["start", "key", "POST", "PUT", "PATCH", "DELETE"])
    func unavailable(kind: String) async throws {
        let received = Received()
        let server = origin(received) { _, request in
            request.requestLine.hasPrefix("GET")
                ? json(#"{"reports":[]}"#) : json("{}", status: "503 Busy\r\nRetry-After: 1")
        }
        try await withRig(origin: server) { rig async throws in
            let isStart = kind == "start" || kind == "key"
            let key = kind == "key" ? [("Idempotency-Key", "k")] : []
            let answer = try await rig.settling(isSimulated: false) {
                try await isStart
                    ? rig.call(
                        "POST", "\(rig.v2)/runs/jobs", key,
                        body: #"{"jobs":[{"testId":"aaaaaaaa-0000-4000-8000-000000000001"}],"operation":"run"}"#)
                    : rig.call(kind, "\(rig.v2)/tests/1", body: kind == "DELETE" ? nil : "{}")
            }
            #expect(answer.status == (isStart ? 504 : 503), "\(answer.text)")
            #expect(received.all.count { !$0.requestLine.hasPrefix("GET") } == 1)
        }
    }

    @Test(
        "a run in place goes on under its report's id, and is found by the work behind it",
        arguments: ["True", "Force"])
    func inPlace(mode: String) async throws {
        try await withRig { rig async throws in
            _ = try await rig.start("v2", id: "first")
            rig.clock.advance(by: .seconds(10))
            let before = rig.runs
            rig.simulator.inject(.runAnswerLost)
            let answer = try await rig.settling { try await rig.start("v2", id: "again", [("In-Place", mode)]) }
            #expect(answer.status == 200 && before.contains { answer.text.contains($0) }, "\(answer.text)")
            #expect(Set(rig.runs) == Set(before) && rig.startsSent == 2)
            #expect(try rig.story(of: "again") == ["intent", "outcome started"])
        }
    }

    @Test(
        "never started, or nobody knows: 504 with what was seen", arguments: [Fault.close, .reset, .plainText500],
        ["v1", "v2"])
    func notStarted(fault: Fault, version: String) async throws {
        try await withRig { rig async throws in
            let before = rig.runs
            rig.simulator.inject(fault, where: RequestFilter(method: "POST", target: "/runs"))
            let answer = try await rig.settling { try await rig.start(version, id: "lost") }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(answer.text.contains("no new run of the test was seen"), "\(answer.text)")
            #expect(rig.runs == before && rig.startsSent == 1)
            #expect(try rig.story(of: "lost") == ["intent", "outcome unknown"])
        }
    }

    @Test("a run begun elsewhere in the same second, or one that a retrying tool began twice, leaves it unknown")
    func elsewhere() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"))
            async let held = rig.settling {
                let client = try rig.connect()
                defer { client.close() }
                return try await client.exchange(rig.startRequest("v2", id: "one"))
            }
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/runs")))
            _ = rig.simulator.addReport(iTwin: rig.iTwin)
            await rig.simulator.dropConnections()
            let answer = try await held
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(answer.text.contains("2 runs of the test were begun meanwhile"), "\(answer.text)")
            rig.clock.advance(by: .seconds(61))
            rig.simulator.inject(.runStartedTwice)
            let twice = try await rig.settling { try await rig.start("v2", id: "two") }
            twice.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(rig.startsSent == 2)
        }
    }

    @Test("two starts of one test that are not the same are in each other's way: both are unknown when both are lost")
    func crowded() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"), times: 2)
            async let first = rig.settling { try await rig.start("v2", id: "a") }
            async let second = rig.start("v2", id: "b", [("In-Place", "False")])
            #expect(await rig.simulator.waitForRequests(2, where: RequestFilter(method: "POST", target: "/runs")))
            await rig.simulator.dropConnections()
            for answer in try await [first, second] {
                answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
                #expect(answer.text.contains("another start of the same test"), "\(answer.text)")
            }
            #expect(rig.startsSent == 2)
        }
    }

    @Test("what was there before could not be read: the start is sent all the same, and a lost answer stays unknown")
    func unreadable() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: nil)
            #expect(try await rig.start("v2", id: "fine").status == 200)
            rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "POST", target: "/runs"))
            let answer = try await rig.start("v2", id: "lost")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(
                answer.text.contains("were not known from before") && answer.text.contains("could not be read either"))
            #expect(try rig.story(of: "lost") == ["intent", "outcome unknown"])
            #expect(rig.startsSent == 2)
            rig.simulator.clearFaults()
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: 1)
            rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "POST", target: "/runs"))
            let before = rig.runs
            let seen = try await rig.start("v2", id: "seen")
            seen.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            let new = try #require(rig.runs.first { !before.contains($0) })
            #expect(seen.text.contains("the first in the list are now: ") && seen.text.contains(new), "\(seen.text)")
            #expect(try rig.story(of: "seen") == ["intent", "outcome unknown"])
        }
    }

    @Test("the same start while the first is unanswered is one: both tools get its answer, and it is recorded once")
    func joined() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"))
            async let first = rig.start("v2", id: "a")
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/runs")))
            async let second = rig.start("v2", id: "b")
            async let third = rig.start("v2", id: "c", [("Idempotency-Key", "k")])
            try await rig.untilCounted("joined", 2)
            rig.simulator.releaseHeld()
            let answers = try await [first, second, third]
            #expect(answers.allSatisfy { $0.status == 200 && $0.body == answers[0].body })
            #expect(answers[1]["Cache-Status"]?.contains("collapsed") == true && answers[1]["x-correlation-id"] == "b")
            #expect(rig.startsSent == 1)
            #expect(try rig.story(of: "a") == ["intent", "outcome started"])
            #expect(try rig.story(of: "b").isEmpty)
            let again = try await rig.start("v2", id: "d", [("Idempotency-Key", "k")])
            #expect(again["Idempotent-Replayed"] == "true" && again.body == answers[0].body)
            #expect(try await rig.start("v2", id: "e").body != answers[0].body, "the first is answered")
            #expect(rig.startsSent == 2)
            let why = try await rig.admin("/explain?id=b")
            #expect(why.text.contains("The same start was under way (a)"), "\(why.text)")
        }
    }

    @Test("the same start under two keys is two starts, and so is one that differs in its body or In-Place")
    func different() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"), times: nil)
            async let first = rig.start("v2", id: "a", [("Idempotency-Key", "a")])
            async let second = rig.start("v2", id: "b", [("Idempotency-Key", "b")])
            async let third = rig.start("v2", id: "c", [("Idempotency-Key", "c"), ("In-Place", "True")])
            #expect(await rig.simulator.waitForRequests(3, where: RequestFilter(method: "POST", target: "/runs")))
            rig.simulator.releaseHeld()
            for answer in try await [first, second, third] { #expect(answer.status == 200, "\(answer.text)") }
            #expect(rig.startsSent == 3)
        }
    }

    @Test("a start without a key that one with a key has joined answers no other key")
    func joinedByOneKey() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"), times: nil)
            async let first = rig.start("v2", id: "u")
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/runs")))
            async let second = rig.start("v2", id: "a", [("Idempotency-Key", "a")])
            try await rig.untilCounted("joined", 1)
            async let third = rig.start("v2", id: "b", [("Idempotency-Key", "b")])
            #expect(await rig.simulator.waitForRequests(2, where: RequestFilter(method: "POST", target: "/runs")))
            rig.simulator.releaseHeld()
            let answers = try await [first, second, third]
            #expect(answers[0].body == answers[1].body && answers[1].body != answers[2].body)
            #expect(rig.startsSent == 2)
        }
    }

    @Test("who joins a start waits no longer than it says, and is told that the start is under way")
    func joinedForAWhile() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"))
            async let first = rig.start("v2", id: "a")
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/runs")))
            async let second = rig.start("v2", id: "b", [("Prefer", "wait=2")])
            try await rig.untilCounted("joined", 1)
            rig.clock.advance(by: .seconds(3))
            try await second.expectError(409, "RequestInProgress", reason: "request-in-progress", retryAfter: 1...1)
            rig.simulator.releaseHeld()
            #expect(try await first.status == 200)
            #expect(rig.startsSent == 1)
        }
    }

    @Test("a tool that leaves before its start is sent leaves it to the next; after that its answer is the next one's")
    func leaving() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "POST", target: "/runs"))
            let client = try rig.connect()
            try await client.send(rig.startRequest("v2", id: "left"))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "POST", target: "/runs")))
            async let second = rig.start("v2", id: "stays")
            try await rig.untilCounted("joined", 1)
            client.close()
            rig.simulator.releaseHeld()
            #expect(try await second.status == 200)
            #expect(rig.startsSent == 1)
            // A call whose tool has left waits for no disk.
            try await eventually("its outcome") { try rig.story(of: "left") == ["intent", "outcome started"] }
        }
    }

    @Test("what upstream refuses is everybody's answer, and what was never sent is nobody's", arguments: [403, 422])
    func refused(status: Int) async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(
                .answer(status: status, body: "{}"), where: RequestFilter(method: "POST", target: "/runs"))
            #expect(try await rig.start("v2", id: "no").status == status)
            #expect(try await rig.start("v2", id: "yes").status == 200)
            #expect(rig.startsSent == 2)
        }
    }

    @Test("a start costs one read more, in the windows of calls and not in those of runs")
    func cost() async throws {
        try await withRig { options in
            options.flags = ["rate.run_windows=1000/1m", "rate.windows=10000/1m"]
        } _: { rig async throws in
            #expect(try await rig.start("v2", id: "a").status == 200)
            #expect(try await rig.start("v1", id: "b").status == 201)
            let budget = try await rig.get("/_proxy/budget").text
            #expect(budget.contains(#""window":"10000/1m","limit":10000,"used":4"#), "\(budget)")
            #expect(budget.contains(#""window":"run 1000/1m","limit":1000,"used":2"#), "\(budget)")
        }
    }
}

extension Rig {
    /// Ids of all reports.
    var runs: [String] { simulator.reportIDs(iTwin: iTwin) }

    /// Starts of runs that upstream received.
    var startsSent: Int { simulator.recorded(RequestFilter(method: "POST", target: "/runs")).count }

    /// The head and body of a start of the first test.
    func startRequest(_ version: String, id: String, _ headers: [(String, String)] = []) -> String {
        let (target, body) = startCall(version)
        return request("POST", target, [("x-correlation-id", id)] + headers, body: body)
    }

    func start(_ version: String, id: String, _ headers: [(String, String)] = []) async throws -> RawResponse {
        let (target, body) = startCall(version)
        return try await call("POST", target, [("x-correlation-id", id)] + headers, body: body)
    }

    private func startCall(_ version: String) -> (target: String, body: String) {
        let test = simulator.testIDs(iTwin: iTwin)[0]
        let model = simulator.repositoryIDs(iTwin: iTwin)[0]
        if version == "v2" {
            return ("\(v2)/runs/jobs", #"{"jobs":[{"testId":"\#(test)","iModelId":"\#(model)"}],"operation":"run"}"#)
        }
        let legacy = simulator.legacyID(project: iTwin, entity: test) ?? ""
        return (
            "/clashdetection/runs", #"{"testId":"\#(legacy)","iModelId":"\#(model)","namedVersionId":"\#(test)"}"#
        )
    }

    /// Waits until `clash_proxy_repeated_calls_total` by this has come so far.
    func untilCounted(_ by: String, _ count: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !admin("/metrics").text.contains("clash_proxy_repeated_calls_total{by=\"\(by)\"} \(count)\n") {
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "\(by) is not \(count)") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
