// The rows of the error table that concern upstream, the token and the gate; the others stand with their features.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ProxyErrorTests {
    @Test(
        "a path below no allowed prefix is never forwarded",
        arguments: [
            "/", "/accesscontrol/itwins/1", "/clash-detectionx/itwins", "/clash-detection.evil/x", "/clashdetections",
            "/x/clashdetection", "//clashdetection/runs", "/clash%2Ddetectio",
        ])
    func notFound(target: String) async throws {
        try await withRig { rig in
            let answer = try await rig.get(target)
            answer.expectError(404, "OperationNotFound", reason: "operation-not-found")
            #expect(rig.simulator.counters.apiCalls == 0)
        }
    }

    @Test("an upstream that cannot be reached is a 502 that says so, and the next call is tried again")
    func unreachable() async throws {
        let server = origin(always: ok)
        server.stop()
        try await eventually("the origin is closed") { server.isClosed }
        try await withRig(origin: server) { rig in
            for method in ["GET", "DELETE"] {
                let answer = try await rig.call(method, "/clashdetection/runs/x")
                answer.expectError(
                    502, "UpstreamUnreachable", reason: "upstream-unreachable", retryAfter: 1...15, method)
            }
        }
    }

    @Test(
        "an answer that is not HTTP, or is cut off before the tool got any of it, is a 502",
        arguments: [
            "\u{16}\u{3}\u{1}not http\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"_links\":",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        ])
    func invalid(bytes: String) async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send(bytes)
            connection.closeWrite()
            connection.readUntilClosed()
        }
        try await withRig(origin: server) { rig in
            let answer = try await rig.get("/clashdetection/tests")
            answer.expectError(502, "UpstreamInvalidResponse", reason: "upstream-invalid-response")
        }
    }

    @Test("an upstream that does not begin to answer in time is a 504, and a read is not sent again for it")
    func slow() async throws {
        try await withRig { options in
            options.flags = ["upstream.first_byte_timeout=150ms"]
        } _: { rig in
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let answer = try await rig.get(rig.list)
            answer.expectError(504, "UpstreamTimeout", reason: "upstream-timeout")
            #expect(rig.simulator.recorded(RequestFilter(target: "/reports")).count == 1)
            #expect(try await rig.get(rig.list).status == 200)
        }
    }

    @Test(
        "a change that was sent and not answered is a 504 OutcomeUnknown, and is sent once",
        arguments: ["hang", "close", "reset"])
    func unknownOutcome(how: String) async throws {
        try await withRig { options in
            options.flags = ["upstream.first_byte_timeout=150ms"]
        } _: { rig in
            let fault: Fault = how == "hang" ? .executeThenHang : how == "close" ? .executeThenClose : .executeThenReset
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let body =
                #"{"name":"renamed","description":"","suppressTouching":true,"includeSubModels":false,"#
                + #""touchingTolerance":0,"setA":{},"setB":{},"suppressionRules":[]}"#
            rig.simulator.inject(fault, where: RequestFilter(method: "PUT"))
            let answer = try await rig.call(
                "PUT", "\(rig.v2)/tests/\(test)", [("x-correlation-id", "unknown-1")], body: body)
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(rig.simulator.recorded(RequestFilter(method: "PUT")).count == 1)
            #expect(try await rig.get("\(rig.v2)/tests/\(test)").text.contains("renamed"), "it had been carried out")
            let line = try await rig.accessLog.line(with: "unknown-1")
            #expect(line.contains("refused:outcome-unknown") && line.contains("attempts=1"))
        }
    }

    @Test("a call that would wait longer than it may is a 429 with the code of its API, before anything is sent")
    func busy() async throws {
        try await withRig { options in
            options.flags = ["rate.max_in_flight=1", "rate.max_queue=1", "rate.max_wait=30s"]
        } _: { rig in
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let first = try rig.connect()
            try await first.send(rig.request("GET", rig.list))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            let hurried = try await rig.get(rig.list, [("Prefer", "wait=0")])
            hurried.expectError(429, "RateLimitExceeded", reason: "rate-limited", retryAfter: 1...60)
            let second = try rig.connect()
            try await second.send(rig.request("GET", rig.list))
            // The place in the queue is taken as soon as a third is turned away for the queue being full.
            var third = try await rig.get("/clashdetection/tests", [("Prefer", "wait=1")])
            while third["Proxy-Status"]?.contains("queue-full") != true {
                third = try await rig.get("/clashdetection/tests", [("Prefer", "wait=1")])
            }
            third.expectError(429, "TooManyRequests", reason: "queue-full", retryAfter: 1...60)
            first.close()
            #expect(try await second.response().status == 200, "the place became free when the first tool left")
            #expect(rig.simulator.recorded(RequestFilter(target: "projectId")).isEmpty)
            second.close()
        }
    }
}
