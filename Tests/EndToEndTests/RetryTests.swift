// What is sent again and what is not: reads within bounds, changes only when they surely were not carried out.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct RetryTests {
    @Test("a read whose connection is reset is sent again, and the log tells how often", arguments: [1, 2])
    func reset(times: Int) async throws {
        try await withRig { rig in
            rig.simulator.inject(.reset, where: RequestFilter(target: "/reports"), times: times)
            let answer = try await rig.get(rig.list, [("x-correlation-id", "again-\(times)")])
            #expect(answer.status == 200)
            let line = try await rig.accessLog.line(with: "again-\(times)")
            #expect(line.contains("attempts=\(times + 1)"), "\(line)")
        }
    }

    @Test("a read is sent three times at most; then the tool gets 502")
    func bounded() async throws {
        try await withRig { rig in
            rig.simulator.inject(.reset, where: RequestFilter(target: "/reports"), times: nil)
            let answer = try await rig.get(rig.list)
            answer.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable")
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 3)
        }
    }

    @Test(
        "502, 503 and 504 of upstream's are tried again, other errors are not",
        arguments: [502, 503, 504, 500, 404])
    func statuses(status: Int) async throws {
        try await withRig { rig in
            rig.simulator.inject(.answer(status: status), where: RequestFilter(target: "/reports"), times: 1)
            let answer = try await rig.get(rig.list)
            let isRetried = (502...504).contains(status)
            #expect(answer.status == (isRetried ? 200 : status))
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == (isRetried ? 2 : 1))
        }
    }

    @Test("a gate that only observes leaves a 503 that says when to come back to the tool as it is")
    func toldToWait() async throws {
        try await withRig {
            $0.flags = ["rate.observe=true"]
        } _: { rig in
            let fault = Fault.answer(status: 503, headers: [HeaderField("Retry-After", "9")], body: "later")
            rig.simulator.inject(fault, where: RequestFilter(target: "/reports"))
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 503 && answer["Retry-After"] == "9" && answer.text == "later")
        }
    }

    @Test("the last answer of a failing upstream reaches the tool whole")
    func lastAnswer() async throws {
        try await withRig { rig in
            rig.simulator.inject(.html503, where: RequestFilter(target: "/reports"), times: nil)
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 503 && answer["Content-Type"] == "text/html; charset=us-ascii")
            #expect(answer.text.contains("<h1>Service Unavailable</h1>"))
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 3)
        }
    }

    @Test(
        "a change is sent once, whatever becomes of it",
        arguments: [("DELETE", false), ("POST", true), ("PUT", true), ("PATCH", true)])
    func changes(method: String, hasBody: Bool) async throws {
        for fault in [Fault.reset, .close, .answer(status: 503), .answer(status: 502)] {
            try await withRig { rig in
                rig.simulator.inject(fault, where: RequestFilter(target: "/clash"), times: nil)
                let answer = try await rig.call(method, "/clashdetection/tests/x", body: hasBody ? "{}" : nil)
                #expect([504, 503, 502].contains(answer.status))
                #expect(rig.simulator.recorded(RequestFilter(method: method, target: "/clash")).count == 1)
            }
        }
    }

    @Test("a change on a kept connection that died in the same moment is not sent twice")
    func reusedConnection() async throws {
        let received = Received()
        let server = ScriptedOrigin { connection in
            let first = try connection.readRequest()
            _ = received.add(first)
            try connection.send(ok)
            // The second request on this connection is read and dropped: nobody knows whether it was carried out.
            _ = received.add(try connection.readRequest())
            connection.reset()
        }
        try await withRig(origin: server) { rig in
            #expect(try await rig.get("/clashdetection/tests").status == 200)
            let answer = try await rig.call("PUT", "/clashdetection/tests/x", body: "{}")
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(received.all.filter { $0.requestLine.hasPrefix("PUT") }.count == 1)
        }
    }

    @Test("a read is sent again with its body")
    func readWithBody() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.reset, where: RequestFilter(target: "/reports"), times: 1)
            #expect(try await rig.call("GET", rig.list, body: "{}").status == 200)
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 2)
        }
    }

    @Test("retries stay within their budget when everything fails")
    func budget() async throws {
        try await withRig { rig in
            rig.simulator.inject(.reset, where: RequestFilter(target: "/reports"), times: nil)
            for _ in 0..<20 { _ = try await rig.get(rig.list) }
            // A credit of 10 at the start, and a fifth of 20 calls.
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 20 + 14)
        }
    }
}
