// Windows, bursts and pace as upstream sees them: arrivals counted by the clock that the gate goes by.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RateWindowTests {
    /// Sends so many calls at once, lets time pass until all have come through, and returns the answers.
    private func flood(
        _ rig: Rig, _ origin: LimitedOrigin, _ count: Int, _ method: String = "GET", _ target: String = Path.tests,
        body: String? = nil, within limit: Duration = .seconds(600), step: Duration = .milliseconds(50)
    ) async throws -> [RawResponse] {
        let before = origin.count
        var clients: [RawClient] = []
        for number in 0..<count {
            clients.append(try await rig.begin(method, "\(target)?n=\(number)", body: body))
        }
        try await rig.waitForCalls(count) { origin.count - before }
        try await rig.pass(limit, step: step) { origin.count - before < count }
        var answers: [RawResponse] = []
        for client in clients { answers.append(try await client.answer(to: method)) }
        return answers
    }

    @Test("never more than a window allows in any span of its length, and hardly less over time")
    func exact() async throws {
        try await withLimits(["rate.windows=20/10s"]) { rig, origin async throws in
            let answers = try await flood(rig, origin, 100)
            #expect(answers.allSatisfy { $0.status == 200 })
            #expect(origin.most(in: .seconds(10)) == 20)
            let arrivals = origin.arrivals
            let all = arrivals[99].at - arrivals[0].at
            #expect(all <= .seconds(52), "100 calls at two a second took \(all)")
        }
    }

    @Test("several windows hold at once")
    func several() async throws {
        try await withLimits(["rate.windows=5/1s,20/10s,60/1m"]) { rig, origin async throws in
            _ = try await flood(rig, origin, 90, step: .milliseconds(100))
            #expect(origin.most(in: .seconds(1)) <= 5)
            #expect(origin.most(in: .seconds(10)) <= 20)
            #expect(origin.most(in: .seconds(60)) <= 60)
        }
    }

    @Test("a tenth of the limit may go at once, half of that after a start; the rest is spread evenly")
    func pace() async throws {
        try await withLimits(["rate.windows=100/100s"]) { rig, origin async throws in
            func burst() async throws -> Int {
                let before = origin.count
                var clients: [RawClient] = []
                for _ in 0..<30 { clients.append(try await rig.begin("GET", Path.tests)) }
                try await rig.waitForCalls(30) { origin.count - before }
                let sent = origin.count - before
                try await rig.pass(.seconds(60)) { origin.count - before < 30 }
                for client in clients { _ = try await client.answer() }
                return sent
            }
            #expect(try await burst() == 5, "at the start")
            let gaps = origin.gaps.dropFirst(5)
            #expect(gaps.allSatisfy { $0 >= .milliseconds(900) && $0 <= .milliseconds(1150) }, "\(gaps)")
            rig.clock.advance(by: .seconds(200))
            #expect(try await burst() == 10, "after a rest")
            #expect(origin.most(in: .seconds(100)) <= 100)
        }
    }

    @Test("starting runs has windows of its own, which hold nothing else up", arguments: ["v1", "v2"])
    func runs(version: String) async throws {
        let target = version == "v1" ? "/clashdetection/runs" : "\(Path.iTwin)/runs/jobs"
        let body = #"{"testIds":["t"],"jobs":["t"],"operation":"run"}"#
        try await withLimits(["rate.run_windows=6/1m"]) { rig, origin async throws in
            let first = try await rig.call("POST", target, body: body)
            #expect(first.status == 200)
            _ = try await rig.accessLog.line(with: " \(version).runs.start ")
            #expect(first["RateLimit-Policy"]?.contains(#""run:6/1m";q=6;w=60"#) == true)
            let second = try await rig.begin("POST", target, body: body)
            try await rig.waitForQueue(1)
            let read = try await rig.get(Path.tests)
            #expect(read.status == 200 && read["RateLimit-Policy"]?.contains("run:") == false)
            #expect(try await rig.call("PUT", "\(Path.tests)/x", body: "{}").status == 200)
            #expect(try await rig.queued() == 1)
            rig.clock.advance(by: .milliseconds(10_200))
            #expect(try await second.answer(to: "POST").status == 200)
        }
    }

    @Test("never more than max_in_flight upstream at once")
    func inFlight() async throws {
        let gate = Latch()
        defer { gate.open() }
        try await withLimits(["rate.max_in_flight=3"]) { rig, origin async throws in
            origin.become { _, _ in
                gate.waitBlocking()
                return ok
            }
            var clients: [RawClient] = []
            for _ in 0..<8 { clients.append(try await rig.begin("GET", Path.tests)) }
            try await rig.waitForQueue(5)
            try await eventually("three are upstream") { origin.count == 3 }
            #expect(try await rig.figure("in_flight") == 3)
            #expect(origin.count == 3)
            gate.open()
            for client in clients { #expect(try await client.answer().status == 200) }
        }
    }

    // MARK: What tools see

    @Test("forwarded calls and our own 429s say what the windows allow and what is left")
    func fields() async throws {
        try await withLimits(["rate.windows=100/1m,1000/1h"]) { rig, _ async throws in
            let first = try await rig.get(Path.tests)
            #expect(first["RateLimit-Policy"] == #""100/1m";q=100;w=60, "1000/1h";q=1000;w=3600"#)
            // Half a burst counts as spent at the start: 5 and 50.
            #expect(first["RateLimit"] == #""100/1m";r=94;t=61, "1000/1h";r=949;t=3601"#, "rounded up from a hair more")
            var last = first
            while last.status == 200 {
                last = try await rig.get(Path.tests, [("Prefer", "wait=0")])
            }
            #expect(last["RateLimit-Policy"] == first["RateLimit-Policy"])
            #expect(
                last["RateLimit"]?.hasPrefix(#""100/1m";r=90;t=61, "1000/1h""#) == true, "\(last["RateLimit"] ?? "")")
            #expect(last["Server-Timing"] == "queue;dur=0.0, token;dur=0.0, audit;dur=0.0, upstream;dur=0.0")
            let wrong = try await rig.get("/nowhere")
            #expect(wrong["RateLimit"] == nil && wrong["RateLimit-Policy"] == nil)
        }
    }

    @Test("without windows there are no such fields")
    func noWindows() async throws {
        try await withLimits(["rate.windows=", "rate.run_windows="]) { rig, _ async throws in
            let answer = try await rig.get(Path.tests)
            #expect(answer.status == 200)
            #expect(answer["RateLimit"] == nil && answer["RateLimit-Policy"] == nil)
        }
    }

    // MARK: Observing

    @Test("a gate that observes holds nothing, passes refusals on as they are, and counts what it would have done")
    func observe() async throws {
        try await withLimits(["rate.observe=true", "rate.windows=6/1m", "rate.max_wait=25s"]) {
            rig, origin async throws in
            for _ in 0..<8 { #expect(try await rig.get(Path.tests).status == 200) }
            #expect(origin.count == 8)
            #expect(try await rig.figure("gate_would_have_waited_total") >= 1)
            #expect(try await rig.figure("gate_would_have_been_refused_total") >= 4)
            #expect(try await rig.queued() == 0)
            for status in ["429 Too Many Requests", "503 Service Unavailable"] {
                origin.refuseOnce(tooMany("100", naming: "Tier", status: status))
                let answer = try await rig.settling(isSimulated: false) {
                    try await rig.call("DELETE", "/clashdetection/tests/x")
                }
                #expect(answer.statusLine == "HTTP/1.1 \(status)" && answer["Retry-After"] == "100")
                #expect(answer.text.contains("FromUpstream") && answer["Proxy-Status"] == nil)
            }
            #expect(try await rig.get(Path.tests).status == 200, "no pause is kept")
            #expect(try await rig.figure("gate_upstream_refusals_total") == 2)
            #expect(try await rig.figure(#"gate_refused_total{reason="cool-down"}"#) == 0)
        }
    }

    @Test("the gate's series are on /metrics, and add up")
    func metrics() async throws {
        try await withLimits(["rate.windows=6/1m"]) { rig, origin async throws in
            #expect(try await rig.get(Path.tests).status == 200)
            let second = try await rig.begin("GET", Path.tests)
            try await rig.waitForQueue(1)
            #expect(try await rig.figure(#"queue_depth{class="interactive"}"#) == 1)
            #expect(try await rig.figure(#"queue_depth{class="batch"}"#) == 0)
            #expect(try await rig.get(Path.tests, [("Prefer", "wait=0")]).status == 429)
            rig.clock.advance(by: .seconds(11))
            #expect(try await second.answer().status == 200)
            origin.refuseOnce(tooMany("50"))
            rig.clock.advance(by: .seconds(60))
            #expect(try await rig.get(Path.tests, [("Prefer", "wait=20")]).status == 429)
            #expect((1...50).contains(try await rig.figure(#"cooldown_seconds{scope="all"}"#)))
            #expect(try await rig.figure(#"gate_admitted_total{waited="no"}"#) == 2)
            #expect(try await rig.figure(#"gate_admitted_total{waited="yes"}"#) == 1)
            #expect((10...11).contains(try await rig.figure("gate_waited_seconds_total")))
            #expect(try await rig.figure(#"gate_refused_total{reason="deadline"}"#) == 1)
            #expect(try await rig.figure(#"gate_refused_total{reason="cool-down"}"#) == 1)
            #expect(try await rig.figure("gate_upstream_refusals_total") == 1)
            #expect(try await rig.figure("in_flight") == 0)
            rig.clock.advance(by: .seconds(60))
            #expect(try await rig.figure(#"cooldown_seconds{scope="all"}"#) == 0)
            let text = try await rig.admin("/metrics").text
            for line in text.split(separator: "\n") where line.hasPrefix("clash_proxy_gate_") {
                let name = line.prefix { $0 != " " && $0 != "{" }
                #expect(text.contains("# TYPE \(name) ") && text.contains("# HELP \(name) "), "\(name)")
            }
        }
    }
}
