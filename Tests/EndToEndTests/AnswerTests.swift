// Upstream's answers reach the tool as they are: statuses, repeated headers, errors in any media type, no invented body.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct AnswerTests {
    @Test("a 204 has neither body nor Content-Type, even where upstream put one on it")
    func noContent() async throws {
        try await withRig { rig in
            let run = rig.simulator.reportIDs(iTwin: rig.iTwin)[3]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: run) ?? ""
            rig.simulator.inject(.contentTypeWithoutBody, where: RequestFilter(method: "DELETE"))
            let client = try rig.connect()
            let answer = try await client.exchange(rig.request("DELETE", "/clashdetection/runs/\(id)"))
            #expect(answer.status == 204)
            #expect(answer["Content-Type"] == nil && answer["Content-Length"] == nil)
            #expect(answer["Transfer-Encoding"] == nil)
            #expect(!rig.simulator.reportExists(run))
            #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200, "the connection goes on")
            client.close()
        }
    }

    @Test("an empty 201 stays empty and gets no Content-Type")
    func emptyCreated() async throws {
        try await withRig(origin: origin(always: "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")) { rig in
            let answer = try await rig.call("POST", "/clash-detection/itwins/i/manual-suppressions", body: "{}")
            #expect(answer.statusLine == "HTTP/1.1 201 Created")
            #expect(answer.body.isEmpty && answer["Content-Type"] == nil)
            #expect(answer["Content-Length"] == "0")
        }
    }

    @Test("HEAD is HEAD upstream, and its answer has the headers of GET and no body")
    func head() async throws {
        try await withRig { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let target = "\(rig.v2)/reports/\(report)"
            let client = try rig.connect()
            let got = try await client.exchange(rig.request("GET", target))
            let head = try await client.exchange(rig.request("HEAD", target))
            #expect(head.status == 200)
            #expect(head["Content-Length"] == got["Content-Length"])
            #expect(head["Content-Type"] == got["Content-Type"])
            #expect(rig.simulator.recorded.last?.method == "HEAD")
            #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200)
            client.close()
        }
    }

    @Test("HEAD of a page tells the length that GET would have, or none")
    func headOfPage() async throws {
        try await withRig { rig in
            let page = try await rig.get(rig.list)
            let head = try await rig.call("HEAD", rig.list)
            #expect(head.status == 200)
            let length = head["Content-Length"]
            #expect(length == nil || length == page["Content-Length"])
            #expect(head["ETag"] == page["ETag"])
        }
    }

    @Test("a validator of upstream's works: 304 comes through without body or Content-Type")
    func notModified() async throws {
        try await withRig { options in
            options.simulator.weakETags = true
        } _: { rig in
            let client = try rig.connect()
            let first = try await client.exchange(rig.request("GET", rig.list))
            let tag = try #require(first["ETag"])
            let second = try await client.exchange(rig.request("GET", rig.list, [("If-None-Match", tag)]))
            #expect(second.status == 304)
            #expect(second["ETag"] == tag)
            #expect(second["Content-Type"] == nil && second["Content-Length"] == nil)
            #expect(try await client.exchange(rig.request("GET", rig.list)).status == 200)
            client.close()
        }
    }

    @Test("repeated headers come through one by one and in order, hop-by-hop ones not at all")
    func repeated() async throws {
        let answer =
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX-Multi: one\r\nset-cookie: b=2\r\nX-Multi: two\r\n"
            + "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n"
            + "Via: 1.1 upstream-gateway\r\nX-Empty:\r\nAlt-Svc: h2=\":443\"\r\nServer-Timing: db;dur=1\r\n"
            + "Cache-Status: edge; hit\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        try await withRig(origin: origin(always: answer)) { rig in
            let got = try await rig.get("/clashdetection/tests")
            #expect(got.values("Set-Cookie") == ["a=1; Path=/", "b=2"])
            #expect(got.values("X-Multi") == ["one", "two"])
            #expect(got.headers.first?.name == "Set-Cookie" && got.headers.map(\.name).contains("set-cookie"))
            for name in ["X-Hop", "Keep-Alive", "Proxy-Authenticate", "Alt-Svc", "Connection"] {
                #expect(got[name] == nil, "\(name)")
            }
            #expect(got.values("Via") == ["1.1 upstream-gateway", "1.1 clash-proxy"])
            #expect(got.values("X-Empty") == [""])
            #expect(got.values("Server-Timing").first == "db;dur=1")
            #expect(got.values("Cache-Status").first == "edge; hit")
        }
    }

    @Test(
        "an error of upstream's passes unchanged, whatever its media type",
        arguments: [
            ("404 Not Found", "application/json", #"{"error":{"code":"iTwinNotFound","message":"m"}}"#),
            ("500 Internal Server Error", "text/plain", "Internal server error"),
            ("503 Service Unavailable", "text/html; charset=us-ascii", "<html><body>503</body></html>\r\n"),
            ("429 Too Many Requests", "application/json", #"{"error":{"code":"RateLimitExceeded","message":"m"}}"#),
            ("422 Unprocessable Entity", "application/json;charset=utf-8", #"{"error":{"code":"x"},"#),
            ("418 I'm a teapot", "application/octet-stream", "\u{0}\u{1}"),
            ("599 Odd", "text/plain", ""),
        ])
    func errors(status: String, type: String, body: String) async throws {
        let answer =
            "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nRetry-After: 7\r\n"
            + "ITwinPlatform-RateLimited-Tier: t\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        // What upstream refuses for now is held back, unless the gate only observes.
        try await withRig(origin: origin(always: answer), flags: ["rate.observe=true"]) { rig in
            let got = try await rig.get("/clash-detection/itwins/i/reports")
            #expect(got.status == Int(status.prefix(3)))
            #expect(got["Content-Type"] == type)
            #expect(got.text == body)
            #expect(got["Retry-After"] == "7" && got["ITwinPlatform-RateLimited-Tier"] == "t")
            #expect(got["Proxy-Status"] == nil, "upstream said it, not the proxy")
            #expect(got["Via"] == "1.1 clash-proxy")
        }
    }

    @Test("each answer names its request: the tool's own correlation id if it is usable, else a new one")
    func correlation() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let own = ["abc-1.2_X", String(repeating: "x", count: 128)]
            for id in own {
                let answer = try await rig.get("/clashdetection/tests", [("X-Correlation-Id", id)])
                #expect(answer.values("x-correlation-id") == [id])
            }
            for bad in ["", "a b", "a;b", String(repeating: "x", count: 129), "é"] {
                let answer = try await rig.get("/clashdetection/tests", [("x-correlation-id", bad)])
                let id = try #require(answer["x-correlation-id"])
                #expect(answer.values("x-correlation-id").count == 1)
                #expect(id.count == 36 && id != bad, "\(bad) became \(id)")
            }
            let upstream = received.all.compactMap { $0.values("x-correlation-id").first }
            #expect(upstream.prefix(2).elementsEqual(own))
            #expect(received.all.allSatisfy { $0.values("x-correlation-id").count == 1 })
        }
    }
}
