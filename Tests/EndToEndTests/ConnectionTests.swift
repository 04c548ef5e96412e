// HTTP/1 connections of tools: order of pipelined answers, keeping and closing, HTTP/1.0, expectations.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ConnectionTests {
    private static let path = "/clashdetection/tests"

    @Test("pipelined requests are answered in their order, however fast each of them is")
    func pipelining() async throws {
        let slow = Latch()
        let received = Received()
        let server = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                _ = received.add(request)
                if request.requestLine.contains("/1 ") { slow.waitBlocking() }
                let body = String(request.requestLine.dropFirst("GET /clashdetection/".count).prefix { $0 != " " })
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            }
        }
        try await withRig(origin: server) { rig in
            let client = try rig.connect()
            let targets = (1...6).map { $0 == 4 ? "/nowhere" : "/clashdetection/\($0)" }
            try await client.send(targets.map { rig.request("GET", $0) }.joined())
            try await eventually("the first is upstream") { received.count == 1 }
            slow.open()
            var bodies: [String] = []
            for _ in targets { bodies.append(try await client.response().text) }
            #expect(bodies.enumerated().filter { $0.offset != 3 }.map(\.element) == ["1", "2", "3", "5", "6"])
            #expect(bodies[3].contains("OperationNotFound"))
            client.close()
        }
    }

    @Test("requests with bodies can be pipelined, whole or split at any byte")
    func pipelinedBodies() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let chunked =
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "5\r\n{\"a\":\r\n3\r\n12}\r\n0\r\n\r\n"
            let text =
                rig.request("POST", Self.path, body: "{\"a\":1}") + chunked + rig.request("GET", Self.path)
                + rig.request("POST", Self.path, body: "{\"a\":2}") + rig.request("DELETE", "\(Self.path)/x")
            let bytes = Array(text.utf8)
            for step in [bytes.count, 7, 61] {
                let client = try rig.connect()
                var sent = 0
                while sent < bytes.count {
                    let end = min(sent + step, bytes.count)
                    try await client.send(Array(bytes[sent..<end]))
                    sent = end
                }
                for _ in 0..<5 { #expect(try await client.response().status == 200) }
                client.close()
            }
            let expected = ["{\"a\":1}", "{\"a\":12}", "", "{\"a\":2}", ""]
            #expect(received.all.map(\.text) == expected + expected + expected)
        }
    }

    @Test("a connection is kept for many requests, after errors of the proxy as well")
    func keptAlive() async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let client = try rig.connect()
            for index in 0..<30 {
                let target = index % 3 == 1 ? "/nowhere" : index % 3 == 2 ? "/clashdetection/../x" : Self.path
                let answer = try await client.exchange(rig.request("GET", target))
                #expect(answer.status == [200, 404, 400][index % 3])
                #expect(answer["Connection"] == nil)
            }
            let refused = try await client.exchange(rig.request("POST", "/nowhere", body: "{\"a\":1}"))
            #expect(refused.status == 404 && refused["Connection"] == nil, "a small body that is there is read")
            #expect(try await client.exchange(rig.request("GET", Self.path)).status == 200)
            client.close()
        }
    }

    @Test("Connection: close is obeyed, said, and done", arguments: ["close", "Close", "keep-alive, close", "upgrade"])
    func close(option: String) async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let client = try rig.connect()
            let answer = try await client.exchange(rig.request("GET", Self.path, [("Connection", option)]))
            #expect(answer.status == 200 && answer["Connection"] == "close")
            #expect(try await client.readToEnd().isEmpty)
            #expect(!client.wasReset)
            client.close()
        }
    }

    @Test("what is pipelined behind Connection: close is not carried out")
    func behindClose() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            let both =
                rig.request("GET", Self.path, [("Connection", "close")]) + rig.request("DELETE", "\(Self.path)/x")
            #expect(try await client.exchange(both).status == 200)
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            #expect(received.all.map(\.requestLine) == ["GET \(Self.path) HTTP/1.1"])
        }
    }

    @Test("stray bytes behind a last request do not cost it its answer", arguments: ["\r\n", "\n", "x", "\u{0}"])
    func behindLast(stray: String) async throws {
        try await withRig(origin: origin(always: ok)) { rig in
            let client = try rig.connect()
            let request = rig.request("POST", Self.path, [("Connection", "close")], body: "{}") + stray
            #expect(try await client.exchange(request).status == 200)
            #expect(try await client.readToEnd().isEmpty)
            client.close()
        }
    }

    @Test("HTTP/1.0 is answered without chunks, and the connection ends unless it asked to be kept")
    func http10() async throws {
        let chunked =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n"
        let long =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "186A0\r\n" + String(repeating: "x", count: 100_000) + "\r\n0\r\n\r\n"
        let server = origin { _, request in request.requestLine.contains("long") ? long : chunked }
        try await withRig(origin: server) { rig in
            let closed = try await rig.raw("GET \(Self.path) HTTP/1.0\r\n\r\n")
            #expect(closed.text == "wikipedia" && closed["Transfer-Encoding"] == nil)
            let client = try rig.connect()
            let kept = "GET \(Self.path) HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
            let first = try await client.exchange(kept)
            if first["Connection"] == "keep-alive" {
                #expect(first["Content-Length"] == "9")
                #expect(try await client.exchange(kept).text == "wikipedia")
            } else {
                #expect(first.ending == .closed)
            }
            client.close()
            let streamed = try await rig.raw("GET \(Self.path)/long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(streamed.body.count == 100_000 && streamed["Transfer-Encoding"] == nil)
        }
    }

    @Test("100 Continue is sent when the body is wanted, and not when the request is refused")
    func expectContinue() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            let client = try rig.connect()
            let head =
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
            try await client.send(head)
            #expect(try await client.interimResponse() == "HTTP/1.1 100 Continue")
            let answer = try await client.exchange("{\"a\":1}", method: "POST")
            #expect(answer.status == 200)
            #expect(received.all.first?.values("Expect") == [])
            client.close()

            let refused = try rig.connect()
            let other = try await refused.exchange(head.replacing(Self.path, with: "/nowhere"))
            #expect(other.status == 404 && other.interim.isEmpty)
            #expect(other["Connection"] == "close", "nobody knows whether the body will come")
            #expect(try await refused.readToEnd().isEmpty)
            refused.close()
        }
    }

    @Test("a tool that closes its sending side in the middle of a request is let go")
    func halfSent() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok)) { rig in
            for part in [
                "", "GET", "GET \(Self.path) HTTP/1.1\r\nHost: lo",
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{\"a\"",
                "POST \(Self.path) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a",
            ] {
                let client = try rig.connect()
                try await client.send(part)
                client.closeWrite()
                _ = try await client.readToEnd()
                client.close()
            }
            #expect(received.count == 0)
            #expect(try await rig.get(Self.path).status == 200)
        }
    }
}
