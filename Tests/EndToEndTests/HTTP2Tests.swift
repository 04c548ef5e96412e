// Requests over HTTP/2 with prior knowledge: the same answers, the same lines in the log, streams that do not hold each other.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct HTTP2Tests {
    private static let reports = RequestFilter(target: "/reports")

    @Test("a miss, a hit, a 304, a HEAD: what HTTP/1.1 gets, field by field, but for what belongs to the wire")
    func reads() async throws {
        try await withHTTP2Rig(["cache.enabled=true"]) { rig in
            let client = try await rig.connect2()
            let miss = try await client.get(rig.list)
            #expect(miss.status == 200 && miss["cache-status"] == "clash-proxy; fwd=uri-miss; stored")
            let hit = try await client.get(rig.list, [("x-correlation-id", "over-2")])
            #expect(hit["cache-status"]?.hasPrefix("clash-proxy; hit") == true && hit["x-correlation-id"] == "over-2")
            #expect(hit.body == miss.body && hit["content-length"] == "\(hit.body.count)")
            #expect(hit["connection"] == nil && hit["transfer-encoding"] == nil && hit["keep-alive"] == nil)
            let other = try await rig.get(rig.list, [("x-correlation-id", "over-1"), ("Host", "localhost")])
            #expect(Array(other.text.utf8) == hit.body)
            for name in ["Content-Type", "ETag", "Via", "Cache-Control", "Content-Length"] {
                #expect(other[name] == hit[name.lowercased()], "\(name)")
            }
            let head = try await client.answer(on: client.begin("HEAD", rig.list))
            #expect(head.status == 200 && head.body.isEmpty && head["content-length"] == "\(hit.body.count)")
            let known = try await client.get(rig.list, [("if-none-match", try #require(hit["etag"]))])
            #expect(known.status == 304 && known.body.isEmpty && known["content-length"] == nil)
            let lines = [try await rig.accessLog.line(with: "over-1"), try await rig.accessLog.line(with: "over-2")]
            let parts = lines.map { $0.split(separator: " ").dropFirst(2).filter { !$0.contains("ms") } }
            #expect(parts[0] == parts[1])
        }
    }

    @Test("changes and deletes, with a length, without one, with trailers, in crumbs of DATA")
    func changes() async throws {
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            let json = [("content-type", "application/json")]
            for fields in [json, json + [("content-length", "2")]] {
                let answer = try await client.answer(
                    on: client.begin("POST", "/clashdetection/tests", fields, body: Array("{}".utf8)))
                #expect(answer.status == 400 || answer.status == 422, "upstream has seen it: \(answer.text)")
                #expect(answer["proxy-status"] == nil)
            }
            let stream = try await client.begin("POST", "/clashdetection/tests", json, ends: false)
            for byte in "{}".utf8 { try await client.send(RawFrame(RawFrame.data, stream: stream, [byte])) }
            try await client.send(
                RawFrame(
                    RawFrame.headers, flags: RawFrame.endHeaders | RawFrame.endStream, stream: stream,
                    RawFrame.block([("x-sum", "1")])))
            #expect(try await client.answer(on: stream)["proxy-status"] == nil)
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let legacy = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            let gone = try await client.answer(on: client.begin("DELETE", "/clashdetection/runs/\(legacy)"))
            #expect(gone.status == 204 && gone.body.isEmpty)
            #expect(!rig.simulator.reportExists(report))
        }
    }

    @Test("values beyond ASCII come back byte for byte, and those of upstream's")
    func beyondASCII() async throws {
        let received = Received()
        let server = ScriptedOrigin { connection in
            _ = received.add(try connection.readRequest())
            try connection.send("HTTP/1.1 200 OK\r\nX-Name: Käfer\r\nContent-Length: 2\r\n\r\nok")
        }
        try await withRig(origin: server, flags: ["listen.h2c=true"]) { rig in
            let answer = try await rig.connect2().get("/clashdetection/results/x", [("x-tool", "Größe")])
            #expect(answer["x-name"] == "Käfer" && answer.text == "ok")
            #expect(received.all.first?.lines.contains { $0.contains("Größe") } == true)
        }
    }

    @Test("upstream is told by Via which version of HTTP the tool spoke")
    func via() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: ["listen.h2c=true"]) { rig in
            let path = "/clashdetection/results/x"
            let answer = try await rig.connect2().get(path, [("via", "1.0 first")])
            #expect(answer["via"] == "1.1 clash-proxy", "upstream's answer came by 1.1")
            #expect(try await rig.get(path).status == 200)
            #expect(try await rig.raw("GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n").status == 200)
            let versions = received.all.map { $0.values("Via").joined(separator: ", ").split(separator: ", ").last }
            #expect(versions.map { $0?.split(separator: " ").first } == ["2", "1.1", "1.0"])
        }
    }

    @Test("a call that hangs upstream holds up no other stream")
    func sideBySide() async throws {
        try await withHTTP2Rig { rig in
            rig.simulator.inject(.executeThenHang, where: Self.reports)
            let client = try await rig.connect2()
            let hangs = try await client.begin("GET", rig.list)
            #expect(await rig.simulator.waitForRequests(1, where: Self.reports))
            for _ in 0..<3 { #expect(try await client.get("/nowhere").status == 404) }
            rig.simulator.releaseHeld()
            #expect(try await client.answer(on: hangs).status == 200)
        }
    }

    @Test("the stream that is one too many is refused alone, with its body, and later ones are taken")
    func maxStreams() async throws {
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            // Each waits for its body.
            for _ in 0..<128 { _ = try await client.begin("POST", "/clashdetection/tests", ends: false) }
            let refused = try await client.begin("POST", "/clashdetection/tests", body: [0x7B])
            #expect(try await client.end(of: refused) == .reset(7))
            try await client.send(RawFrame(RawFrame.reset, stream: 1, RawFrame.big(8)))
            #expect(try await client.get("/nowhere").status == 404)
        }
    }

    @Test("an answer goes out as far as the tool's windows let it, while others pass it")
    func windowsOut() async throws {
        try await withHTTP2Rig(["cache.enabled=true"]) { rig in
            let client = try await rig.connect2(settings: [(4, 10)])
            let slow = try await client.begin("GET", rig.list)
            var slowBytes = 0
            while slowBytes < 10, let frame = try await client.wire.frame() {
                if frame.stream == slow, frame.type == RawFrame.data { slowBytes += frame.payload.count }
            }
            #expect(slowBytes == 10)
            let fast = try await client.begin("HEAD", "/nowhere")
            // The table of header fields is as it was: nothing but its status is looked at.
            while let frame = try await client.wire.frame(), frame.stream != fast {}
            try await client.send(RawFrame(RawFrame.windowUpdate, stream: slow, RawFrame.big(1 << 20)))
            var isWhole = false
            while !isWhole, let frame = try await client.wire.frame() {
                isWhole = frame.stream == slow && frame.endsStream
            }
            #expect(isWhole)
        }
    }

    @Test("a body may be sent as its reader takes it, and no further")
    func windowsIn() async throws {
        let body = [UInt8](repeating: 0x20, count: 200_000)
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            let stream = try await client.begin("POST", "/clashdetection/tests", ends: false)
            var (window, wide, sent) = (65_535, 65_535, 0)
            while sent < body.count {
                let count = min(window, wide, 16_384, body.count - sent)
                if count > 0 {
                    sent += count
                    (window, wide) = (window - count, wide - count)
                    let flags = sent == body.count ? RawFrame.endStream : 0
                    try await client.send(
                        RawFrame(RawFrame.data, flags: flags, stream: stream, Array(body.prefix(count))))
                } else if let frame = try await client.wire.frame(), frame.type == RawFrame.windowUpdate {
                    if frame.stream == 0 { wide += Int(frame.number) } else { window += Int(frame.number) }
                }
            }
            #expect(try await client.answer(on: stream).status >= 400)
            try await eventually("all of it was read") { rig.accessLog.lines.contains { $0.contains(" in=200000 ") } }
        }
    }

    @Test("a body over max_body_bytes is 413 at once, announced or not, and the connection goes on")
    func tooLarge() async throws {
        try await withHTTP2Rig(["listen.max_body_bytes=4KiB"]) { rig in
            let client = try await rig.connect2()
            let announced = try await client.begin(
                "POST", "/clashdetection/tests", [("content-length", "5000")], ends: false)
            #expect(try await client.answer(on: announced).status == 413)
            let body = [UInt8](repeating: 0x20, count: 5_000)
            #expect(
                try await client.answer(on: client.begin("POST", "/clashdetection/tests", body: body)).status == 413)
            let early = try await client.begin("POST", "/nowhere", body: body, ends: false)
            #expect(try await client.answer(on: early).status == 404)
            try await client.send(RawFrame(RawFrame.data, flags: RawFrame.endStream, stream: early, body))
            #expect(try await client.get("/nowhere").status == 404)
        }
    }

    @Test("a stream that its tool resets is given up upstream and logged as left")
    func toolResets() async throws {
        try await withHTTP2Rig { rig in
            rig.simulator.inject(.executeThenHang, where: Self.reports)
            let client = try await rig.connect2()
            let stream = try await client.begin("GET", rig.list, [("x-correlation-id", "left-h2")])
            #expect(await rig.simulator.waitForRequests(1, where: Self.reports))
            try await client.send(RawFrame(RawFrame.reset, stream: stream, RawFrame.big(8)))
            let line = try await rig.accessLog.line(with: "left-h2")
            #expect(line.contains(" 499 proxy caller-left:sent "), "\(line)")
            #expect(try await client.get("/nowhere").status == 404)
        }
    }

    @Test("an answer that upstream breaks off is reset, never ended")
    func cut() async throws {
        let server = ScriptedOrigin { connection in
            _ = try connection.readRequest()
            try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        }
        try await withRig(origin: server, flags: ["listen.h2c=true"]) { rig in
            let client = try await rig.connect2()
            let answer = try await client.get("/clashdetection/results/x")
            #expect(answer.status == 502 || answer.reset == 2)
            #expect(try await client.get("/nowhere").status == 404)
        }
    }

    @Test("what is malformed has its line in the access log, too")
    func malformedIsLogged() async throws {
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            let stream = try await client.begin("GET", "/x", [("x-correlation-id", "bad-h2"), ("Upper", "1")])
            #expect(try await client.end(of: stream) == .reset(1))
            let line = try await rig.accessLog.line(with: "bad-h2")
            #expect(line.contains(" 400 proxy refused:invalid-request"), "\(line)")
        }
    }

    @Test("100 Continue is sent when the body is wanted")
    func expectContinue() async throws {
        try await withHTTP2Rig { rig in
            let client = try await rig.connect2()
            let stream = try await client.begin(
                "POST", "/clashdetection/tests", [("expect", "100-continue")], ends: false)
            #expect(try await client.end(of: stream) == .answer(100))
            try await client.send(RawFrame(RawFrame.data, flags: RawFrame.endStream, stream: stream, Array("{}".utf8)))
            guard case .answer(let status) = try await client.end(of: stream) else {
                Issue.record("no answer")
                return
            }
            #expect(status >= 200)
        }
    }

    @Test("HTTP/1.1 is served on the same address, however its first bytes come", arguments: [false, true])
    func http1(isByteByByte: Bool) async throws {
        try await withHTTP2Rig { rig in
            let client = try rig.connect()
            let request = rig.request("POST", "/nowhere", body: "{}")
            if isByteByByte {
                for byte in request.utf8.prefix(20) { try await client.send([byte]) }
                try await client.send(Array(request.utf8.dropFirst(20)))
            } else {
                try await client.send(request)
            }
            #expect(try await client.response().status == 404)
            client.close()
        }
    }

    @Test("without h2c the preface is no request")
    func off() async throws {
        try await withRig { rig in
            let client = try await rig.connect2()
            guard case .http1(let status) = try await client.end(of: 1) else {
                Issue.record("not HTTP/1.1")
                return
            }
            #expect(status == 400 || status == 505)
        }
    }
}
