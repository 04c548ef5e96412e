// What upstream receives: the target byte for byte, the tool's end-to-end headers in their case, ours, nothing else.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ByteExactTests {
    @Test(
        "a target arrives upstream byte for byte",
        arguments: [
            "/clash-detection/itwins/i/reports?$top=1&$continuationToken=Mg==",
            "/clash-detection/itwins/i/reports?%24top=5&%24continuationToken=Mg%3D%3D",
            "/clash-detection/itwins/i/reports?a=1&a=2&a=1&b&=c&&",
            "/clash-detection/itwins/i/reports?",
            "/clash-detection/itwins/i/reports?q=a+b%20c%2B%2f%2F%00&x=~'()*!@:;,[]{}|^`\"<>",
            "/Clash-Detection/iTwins/AbC/REPORTS/%41bc?x=../..//%2e%2e",
            "/clash-detection//itwins/i//reports/",
            "/clash-detection/itwins/i/reports;v=1/x?url=http://other.example/a?b",
            "/clashdetection/runs/AbC-_dEf",
            "/clashdetection",
            "/clash-detection?x",
        ])
    func targets(target: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let answer = try await rig.get(target)
            #expect(answer.status == 200)
            #expect(received.all.map(\.requestLine) == ["GET \(target) HTTP/1.1"])
        }
    }

    @Test("upstream gets the tool's end-to-end headers in order and case, then ours, and nothing else")
    func headers() async throws {
        let received = Received()
        let origin = origin(received, always: ok)
        try await withRig(origin: origin) { rig in
            let endToEnd = [
                ("Accept", "application/vnd.bentley.itwin-platform.v2+json"), ("ContentType", "application/json"),
                ("repository-id", "0f0e"), ("Include-User-Metadata", "true"), ("In-Place", "force"),
                ("configType", "2"), ("X-Odd", "one"), ("x-oDD", "two"), ("X-Empty", ""),
                ("Accept-Encoding", "gzip, compress, deflate, br"), ("Cookie", "a=b"), ("User-Agent", "tool/1"),
                ("Cache-Control", "no-cache"), ("If-None-Match", "\"x\""),
            ]
            let secrets = [
                ("Authorization", "Bearer mine"), ("X-Api-Key", "key-1"), ("X-Audit-Reason", "because"),
                ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "trailers"),
                ("Trailer", "X-T"), ("Proxy-Authorization", "Basic eA=="), ("Connection", "keep-alive, X-Hop"),
                ("X-Hop", "gone"), ("x-correlation-id", "id-1"), ("Forwarded", "for=1.2.3.4"),
            ]
            let answer = try await rig.get("/clashdetection/results/x", secrets + endToEnd)
            #expect(answer.status == 200)
            let got = try #require(received.all.first)
            let token = try #require(got.values("Authorization").first)
            #expect(token.hasPrefix("Bearer ey"))
            let expected =
                ["Host: 127.0.0.1:\(origin.port)"]
                + endToEnd.map { "\($0.0): \($0.1)".trimmingEnd } + [
                    "x-correlation-id: id-1", "Via: \(got.values("Via").first ?? "")", "Authorization: \(token)",
                ]
            #expect(Set(got.headers.map(\.trimmingEnd)) == Set(expected))
            #expect(got.headers.count == expected.count)
            let passed = endToEnd.map { "\($0.0): \($0.1)".trimmingEnd }
            #expect(got.headers.map(\.trimmingEnd).filter(passed.contains) == passed, "order is kept")
        }
    }

    @Test("pages are asked for whole and uncoded, so that their links can be rewritten")
    func pages() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let asked = [("accept-encoding", "gzip, br"), ("Range", "bytes=0-9"), ("If-Range", "\"x\"")]
            for target in ["/clashdetection/tests", "/clashdetection/results/x", "/clashdetection/unknown"] {
                _ = try await rig.get(target, asked)
            }
            #expect(received.all.map { $0.values("Accept-Encoding") } == [["identity"], ["gzip, br"], ["gzip, br"]])
            #expect(received.all.map { $0.values("Range").count } == [0, 1, 1])
            #expect(received.all.map { $0.values("If-Range").count } == [0, 1, 1])
        }
    }

    @Test("a call without headers of its own gets none added but ours")
    func bare() async throws {
        let received = Received()
        let origin = origin(received, always: ok)
        try await withRig(origin: origin) { rig in
            _ = try await rig.get("/clashdetection/results/x")
            let names = received.all.flatMap { $0.headers.map { String($0.prefix { $0 != ":" }).lowercased() } }
            #expect(names.sorted() == ["authorization", "host", "via", "x-correlation-id"])
        }
    }

    @Test("blanks around a header value are no part of it")
    func blanks() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let text =
                "GET /clashdetection/tests HTTP/1.1\r\nHost: \t localhost \t\r\nX-A:\t a b \t \r\nX-B:c\r\nX-C:  \r\n\r\n"
            let answer = try await rig.raw(text)
            #expect(answer.status == 200)
            let got = try #require(received.all.first)
            #expect(got.values("X-A") == ["a b"] && got.values("X-B") == ["c"] && got.values("X-C") == [""])
        }
    }

    @Test(
        "naming our headers in Connection does not strike them out",
        arguments: ["Authorization", "authorization, x-correlation-id, via", "close, Authorization", "host"])
    func nominated(options: String) async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let answer = try await rig.get(
                "/clashdetection/tests", [("Connection", options), ("Authorization", "Bearer mine"), ("Via", "1.0 a")])
            #expect(answer.status == 200)
            let got = try #require(received.all.first)
            #expect(got.values("Authorization").count == 1)
            #expect(got.values("Authorization").first?.hasPrefix("Bearer ey") == true)
            #expect(got.values("x-correlation-id") == answer.values("x-correlation-id"))
            #expect(got.values("Via").last?.hasPrefix("1.1 clash-proxy-") == true)
            #expect(got.values("Host").count == 1)
            #expect(got.values("Connection") == [])
        }
    }

    @Test("Prefer keeps what is upstream's and loses the wait, which is ours")
    func prefer() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            for value in ["wait=5", "return=minimal; wait=5", "return=representation, wait=5, respond-async"] {
                _ = try await rig.get("/clashdetection/tests", [("Prefer", value)])
            }
            _ = try await rig.get("/clashdetection/tests", [("Prefer", "return=minimal"), ("Prefer", "wait=1")])
            #expect(
                received.all.map { $0.values("Prefer") } == [
                    [], ["return=minimal; wait=5"], ["return=representation, respond-async"], ["return=minimal"],
                ])
        }
    }

    @Test("a JSON body arrives whole with a length, whatever its framing was")
    func bodies() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let body = #"{"name":"a","setA":{}}"#
            _ = try await rig.call("POST", "/clashdetection/tests", body: body)
            let chunked =
                "POST /clashdetection/tests HTTP/1.1\r\nHost: \(rig.host)\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "5;ext=1\r\n\(body.prefix(5))\r\n" + String(body.utf8.count - 5, radix: 16)
                + "\r\n\(body.dropFirst(5))\r\n0\r\nX-Trailer: t\r\n\r\n"
            let answer = try await rig.raw(chunked)
            #expect(answer.status == 200)
            #expect(received.all.map(\.text) == [body, body])
            #expect(received.all.map { $0.values("Content-Length") } == [["22"], ["22"]])
            #expect(received.all.allSatisfy { $0.values("Transfer-Encoding").isEmpty })
            #expect(received.all.allSatisfy { $0.values("X-Trailer").isEmpty })
        }
    }
}

extension String {
    /// Without blanks at the end: libcurl writes `Name:` for an empty value, which is the same field.
    var trimmingEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
