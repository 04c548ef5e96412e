// Who is named where a proxy stands in front: by X-Forwarded-For and a PROXY preamble, in logs, in the audit record, in links.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ForwardedClientTests {
    private static let client = ("X-Forwarded-For", "6.6.6.6, 203.0.113.9:4711, 10.1.2.3")

    @Test("the address that a trusted proxy names stands in the access log and in the audit record")
    func address() async throws {
        let received = Received()
        try await withRig(
            origin: origin(received, always: "HTTP/1.1 204 No Content\r\n\r\n"),
            flags: ["listen.trusted_proxies=127.0.0.1,10.0.0.0/8"]
        ) { rig async throws in
            let answer = try await rig.call(
                "DELETE", "/clashdetection/runs/r1", [Self.client, ("x-correlation-id", "d-1")])
            #expect(answer.status == 204)
            #expect(try await rig.accessLog.line(with: "d-1").contains(" d-1 203.0.113.9 "))
            let lines = try AuditLogFile.lines(rig.folder.path + "/audit").filter { $0.line.id == "d-1" }
            #expect(lines.count == 2 && lines.allSatisfy { $0.line.caller?.address == "203.0.113.9" })
            // Several lines are one list.
            _ = try await rig.get(
                "/clashdetection/tests",
                [("X-Forwarded-For", "203.0.113.8"), ("X-Forwarded-For", "10.1.1.1"), ("x-correlation-id", "d-2")])
            #expect(try await rig.accessLog.line(with: "d-2").contains(" d-2 203.0.113.8 "))
            // Also of what was never a request.
            let twoHosts =
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Forwarded-For: 203.0.113.7\r\nx-correlation-id: d-3\r\n\r\n"
            #expect(try await rig.raw(twoHosts).status == 400)
            #expect(try await rig.accessLog.line(with: "d-3").contains(" d-3 203.0.113.7 "))
            #expect(received.all.allSatisfy { $0.values("X-Forwarded-For").isEmpty })
        }
    }

    @Test("from anybody else the fields mean nothing, and nobody hears of them")
    func untrusted() async throws {
        let received = Received()
        try await withRig(
            origin: origin(received, always: ok), flags: ["listen.trusted_proxies=10.0.0.0/8"]
        ) { rig async throws in
            let fields = [
                Self.client, ("X-Forwarded-Proto", "https"), ("X-Real-IP", "203.0.113.9"),
                ("Forwarded", "for=203.0.113.9;proto=https"), ("x-correlation-id", "u-1"),
            ]
            #expect(try await rig.get("/clashdetection/tests", fields).status == 200)
            #expect(try await rig.accessLog.line(with: "u-1").contains(" u-1 127.0.0.1 "))
            let names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"]
            #expect(received.all.allSatisfy { request in names.allSatisfy { request.values($0).isEmpty } })
        }
        try await withRig { rig async throws in
            let page = try await rig.get(
                rig.list, [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9")])
            #expect(page.link("next")?.hasPrefix("http://\(rig.host)/") == true)
        }
    }

    @Test("of a trusted proxy Forwarded and X-Real-IP mean nothing either")
    func otherFields() async throws {
        try await withRig { options in
            options.flags = ["listen.trusted_proxies=127.0.0.1"]
        } _: { rig async throws in
            let fields = [
                ("X-Real-IP", "203.0.113.9"), ("Forwarded", "for=203.0.113.9;proto=https"), ("x-correlation-id", "f-1"),
                ("X-Forwarded-Scheme", "https"), ("X_Forwarded_For", "203.0.113.9"),
                ("X-Forwarded-Host", "evil.example"),
            ]
            let page = try await rig.get(rig.list, fields)
            #expect(page.link("next")?.hasPrefix("http://\(rig.host)/") == true)
            #expect(try await rig.accessLog.line(with: "f-1").contains(" f-1 127.0.0.1 "))
        }
    }

    @Test("links have the scheme that a trusted proxy names, cached or not, and the same head without trust has ours")
    func scheme() async throws {
        for cache in ["true", "false"] {
            try await withRig { options in
                options.flags = ["listen.trusted_proxies=127.0.0.1", "cache.enabled=\(cache)"]
            } _: { rig async throws in
                for (proto, scheme) in [
                    ("https", "https"), ("http", "http"), ("HTTPS", "https"), ("ftp", "http"), ("https", "https"),
                    ("https, http", "http"),
                ] {
                    for _ in 0..<2 {
                        let page = try await rig.get(rig.list, [("X-Forwarded-Proto", proto)])
                        #expect(page.link("next")?.hasPrefix("\(scheme)://\(rig.host)/") == true, "\(proto)")
                    }
                }
                #expect(try await rig.get(rig.list).link("next")?.hasPrefix("http://\(rig.host)/") == true)
            }
        }
    }

    @Test("the same head by way of a proxy that is trusted and one that is not has its own links and address each time")
    func sameHead() async throws {
        try await withRig { options in
            options.flags = [
                "listen.trusted_proxies=203.0.113.9", "listen.proxy_protocol=true", "cache.enabled=true",
                "listen.trusted_proxies=127.0.0.1,203.0.113.9",
            ]
        } _: { rig async throws in
            let request = rig.request(
                "GET", rig.list, [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "198.51.100.1")])
            for (source, scheme) in [
                ("203.0.113.9", "https"), ("198.51.100.7", "http"), ("203.0.113.9", "https"), ("198.51.100.7", "http"),
            ] {
                let page = try await rig.raw("PROXY TCP4 \(source) 192.0.2.1 1 2\r\n" + request, method: "GET")
                #expect(page.link("next")?.hasPrefix("\(scheme)://\(rig.host)/") == true, "\(source)")
            }
            try await eventually("four lines") { rig.accessLog.lines.count >= 4 }
            let peers = rig.accessLog.lines.map { $0.split(separator: " ")[2] }
            #expect(
                peers.filter { $0 == "198.51.100.1" }.count == 2 && peers.filter { $0 == "198.51.100.7" }.count == 2)
        }
    }

    @Test("without callers turns are fair between the addresses that a trusted proxy names")
    func fairness() async throws {
        // One place. A crowd behind one address waits; one call of another address does not stand behind all of them.
        let gate = Received()
        let slow = origin(gate) { _, _ in ok }
        try await withRig { options in
            options.origin = slow
            options.flags = [
                "listen.trusted_proxies=127.0.0.1", "token.mode=passthrough", "rate.windows=4/1s", "rate.max_wait=20s",
                "rate.run_windows=[]",
            ]
        } _: { rig async throws in
            let bearer = ("Authorization", "Bearer abc")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let from = ("X-Forwarded-For", "203.0.113.1")
                        _ = try await rig.get("/clashdetection/tests/greedy-\(number)", [bearer, from])
                    }
                }
                try await eventually("some are sent") { gate.count >= 1 }
                group.addTask {
                    _ = try await rig.get("/clashdetection/tests/other", [bearer, ("X-Forwarded-For", "203.0.113.2")])
                }
                try await group.waitForAll()
            }
            let order = gate.all.map(\.requestLine)
            let place = order.firstIndex { $0.contains("/other") } ?? order.count
            #expect(place < order.count - 1, "the other address came last: \(order)")
        }
        slow.stop()
    }
}

@Suite(.timeLimit(.minutes(8))) struct ProxyProtocolTests {
    private static let signature = "\r\n\r\n\0\r\nQUIT\n"
    private static let flags = ["listen.proxy_protocol=true", "listen.trusted_proxies=127.0.0.1,10.0.0.0/8"]

    private static func request(_ rig: Rig, _ id: String, _ fields: [(String, String)] = []) -> [UInt8] {
        Array(rig.request("GET", "/clashdetection/tests", [("x-correlation-id", id)] + fields).utf8)
    }

    @Test("a preamble of either version names the client for all requests of its connection")
    func named() async throws {
        let four: [UInt8] =
            Array(Self.signature.utf8) + [0x21, 0x11, 0, 15, 203, 0, 113, 9, 127, 0, 0, 1, 0, 80, 0, 81, 3, 0, 0]
        let six: [UInt8] =
            Array(Self.signature.utf8) + [0x21, 0x21, 0, 36] + Array(repeating: 0, count: 10) + [
                0xff, 0xff, 203, 0, 113, 9,
            ]
            + Array(repeating: 1, count: 20)
        try await withRig(origin: origin(always: ok), flags: Self.flags) { rig async throws in
            for (number, preamble) in [Array("PROXY TCP4 203.0.113.9 127.0.0.1 80 81\r\n".utf8), four, six].enumerated()
            {
                let client = try rig.connect()
                try await client.send(preamble + Self.request(rig, "n-\(number)-a"))
                #expect(try await client.response().status == 200)
                try await client.send(Self.request(rig, "n-\(number)-b"))
                #expect(try await client.response().status == 200)
                client.close()
                for id in ["n-\(number)-a", "n-\(number)-b"] {
                    #expect(try await rig.accessLog.line(with: id).contains(" \(id) 203.0.113.9 "))
                }
                // In as many pieces as it has bytes.
                let slow = try rig.connect()
                for byte in preamble { try await slow.send([byte]) }
                try await slow.send(Self.request(rig, "n-\(number)-c"))
                #expect(try await slow.response().status == 200)
                slow.close()
                #expect(try await rig.accessLog.line(with: "n-\(number)-c").contains(" 203.0.113.9 "))
            }
        }
    }

    @Test("a preamble that names nobody leaves the connection its own address, whatever X-Forwarded-For says")
    func nobody() async throws {
        let preambles = [
            Array("PROXY UNKNOWN\r\n".utf8), Array(Self.signature.utf8) + [0x20, 0, 0, 0],
            Array(Self.signature.utf8) + [0x21, 0, 0, 0],
        ]
        try await withRig(origin: origin(always: ok), flags: Self.flags) { rig async throws in
            for (number, preamble) in preambles.enumerated() {
                let client = try rig.connect()
                defer { client.close() }
                let fields = [("X-Forwarded-For", "203.0.113.9")]
                try await client.send(preamble + Self.request(rig, "o-\(number)", fields))
                #expect(try await client.response().status == 200)
                #expect(try await rig.accessLog.line(with: "o-\(number)").contains(" o-\(number) 127.0.0.1 "))
            }
        }
    }

    @Test("behind a preamble X-Forwarded-For counts only when the preamble's address is trusted")
    func forwarded() async throws {
        try await withRig(origin: origin(always: ok), flags: Self.flags) { rig async throws in
            for (source, seen) in [("10.1.2.3", "198.51.100.1"), ("203.0.113.9", "203.0.113.9")] {
                let client = try rig.connect()
                defer { client.close() }
                let preamble = Array("PROXY TCP4 \(source) 127.0.0.1 1 2\r\n".utf8)
                let id = "f-\(source)"
                try await client.send(preamble + Self.request(rig, id, [("X-Forwarded-For", "198.51.100.1")]))
                #expect(try await client.response().status == 200)
                #expect(try await rig.accessLog.line(with: id).contains(" \(id) \(seen) "))
            }
        }
    }

    @Test("a broken or missing preamble of a trusted proxy ends the connection; the log says so at most once a minute")
    func broken() async throws {
        let received = Received()
        try await withRig(origin: origin(received, always: ok), flags: Self.flags) { rig async throws in
            let request = String(decoding: Self.request(rig, "b"), as: UTF8.self)
            for bytes in [
                request, "PROXY TCP4 1.2.3.4\r\n" + request, "PROXY " + String(repeating: "x", count: 200),
                Self.signature + "\u{21}\u{12}\0\u{c}" + String(repeating: "x", count: 12) + request,
            ] {
                let client = try rig.connect()
                try await client.send(bytes)
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
            let line = try await rig.applicationLog.line(with: "connections are ended (listen.proxy_protocol)")
            #expect(line.hasPrefix("warning ") && line.contains("127.0.0.1"))
            #expect(rig.applicationLog.lines.filter { $0.contains("(listen.proxy_protocol)") }.count == 1)
            rig.clock.advance(by: .seconds(61))
            let client = try rig.connect()
            try await client.send(request)
            #expect(try await client.readToEnd().isEmpty)
            client.close()
            try await eventually("a second line") {
                rig.applicationLog.lines.filter { $0.contains("(listen.proxy_protocol)") }.count == 2
            }
            #expect(
                rig.applicationLog.lines.last { $0.contains("(listen.proxy_protocol)") }?.contains("\"connections\": 4")
                    == true)
        }
        #expect(received.count == 0)
    }

    @Test("a trusted proxy that says nothing, or half a preamble, is waited for no longer than header_timeout")
    func silent() async throws {
        try await withRig(origin: origin(always: ok), flags: Self.flags + ["listen.header_timeout=200ms"]) {
            rig async throws in
            for bytes in ["", "PROXY TCP4 ", Self.signature] {
                let client = try rig.connect()
                if !bytes.isEmpty { try await client.send(bytes) }
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
        }
    }

    @Test("any preamble from others ends the connection; requests without one are served")
    func others() async throws {
        let flags = ["listen.proxy_protocol=true", "listen.trusted_proxies=10.0.0.0/8"]
        try await withRig(origin: origin(always: ok), flags: flags) { rig async throws in
            for preamble in ["PROXY TCP4 10.0.0.1 127.0.0.1 1 2\r\n", Self.signature + "\u{20}\0\0\0"] {
                let client = try rig.connect()
                try await client.send(Array(preamble.utf8) + Self.request(rig, "x"))
                #expect(try await client.readToEnd().isEmpty)
                client.close()
            }
            _ = try await rig.applicationLog.line(with: "not in listen.trusted_proxies")
            #expect(try await rig.get("/clashdetection/tests").status == 200)
            // Empty lines before a request, and methods that begin like a preamble.
            #expect(
                try await rig.raw("\r\n\r\n" + rig.request("GET", "/clashdetection/tests"), method: "GET").status == 200
            )
            #expect(try await rig.call("POST", "/clashdetection/tests", body: "{}").status == 200)
            #expect(try await rig.call("PUT", "/clashdetection/tests/a", body: "{}").status == 200)
        }
    }

    @Test("without listen.proxy_protocol a preamble is no request")
    func off() async throws {
        try await withRig(origin: origin(always: ok), flags: ["listen.trusted_proxies=127.0.0.1"]) { rig async throws in
            let line = "PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + rig.request("GET", "/clashdetection/tests")
            #expect(try await rig.raw(line, method: "GET").status == 400)
        }
    }

    @Test("the admin listener and its probes know no preambles")
    func admin() async throws {
        try await withRig { options in
            options.flags = Self.flags
        } _: { rig async throws in
            let client = try RawClient(port: rig.adminPort)
            defer { client.close() }
            #expect(try await client.exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
        }
    }
}
