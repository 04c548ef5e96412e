// Purging by hand: by the admin listener, all, an iTwin, a tag; nothing of it comes back by a slow fetch.

import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct CachePurgeTests {
    private static let targets = [
        Path.reports, "\(Path.reports)/a", Path.tests, "/clash-detection/itwins/j/reports",
        "/clashdetection/runs?projectId=i", "/clashdetection/runs?projectId=j",
    ]

    private func gone(_ rig: Rig) async throws -> [String] {
        var gone: [String] = []
        for target in Self.targets {
            let answer = try await rig.get(target, [("Cache-Control", "only-if-cached")])
            if answer.status == 504 { gone.append(target) }
        }
        return gone
    }

    @Test(
        "a purge drops what it names and says how many that were",
        arguments: [
            ("all", [0, 1, 2, 3, 4, 5]), ("all=true", [0, 1, 2, 3, 4, 5]), ("itwin=i", [0, 1, 2, 4]),
            ("itwin=j", [3, 5]), ("tag=report:a", [1]), ("tag=report%3Aa", [1]), ("tag=list:reports", [0, 3, 4, 5]),
            ("tag=list:tests:i", [2]), ("tag=report:nobody", []), ("itwin=nobody", []),
        ])
    func purge(form: String, expected: [Int]) async throws {
        for inBody in [false, true] {
            try await withNumberedPages { rig, _ async throws in
                for target in Self.targets { _ = try await rig.get(target) }
                let answer = try await rig.purge(form, inBody: inBody)
                #expect(answer.status == 200 && answer.text == "{\"purged\":\(expected.count)}\n", "\(answer.text)")
                #expect(try await gone(rig) == expected.map { Self.targets[$0] }, "\(form)")
            }
        }
    }

    @Test(
        "what asks for nothing or for several things is refused and drops nothing",
        arguments: ["", "all&itwin=i", "itwin=", "tag=", "everything", "all=false"])
    func malformed(form: String) async throws {
        try await withNumberedPages { rig, _ async throws in
            for target in Self.targets { _ = try await rig.get(target) }
            #expect(try await rig.purge(form, inBody: false).status == 400)
            #expect(try await gone(rig).isEmpty)
        }
    }

    @Test("only POST purges, and no web page does")
    func whoMay() async throws {
        try await withNumberedPages { rig, _ async throws in
            for target in Self.targets { _ = try await rig.get(target) }
            let client = try RawClient(port: rig.adminPort)
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = try await client.exchange("\(method) /purge?all HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                #expect(answer.status == 405 && answer["Allow"] == "POST", "\(method)")
            }
            for header in ["Origin: http://127.0.0.1:1", "Origin: null", "Sec-Fetch-Site: cross-site"] {
                let text = "POST /purge?all HTTP/1.1\r\nHost: 127.0.0.1\r\n\(header)\r\nContent-Length: 0\r\n\r\n"
                #expect(try await client.exchange(text).status == 403, "\(header)")
            }
            client.close()
            #expect(try await gone(rig).isEmpty)
            #expect(try await rig.call("POST", "/purge?all").status == 404, "not on the tools' listener")
        }
    }

    @Test("a fetch that was sent before a purge is neither kept nor joined after it")
    func inFlight() async throws {
        let gate = Latch()
        try await withCache { number, _ in
            if number == 1 { gate.waitBlocking() }
            return .bytes(numbered(number))
        } _: { rig, origin async throws in
            async let slow = rig.get(Path.reports)
            try await eventually("it is upstream") { origin.count == 1 }
            #expect(try await rig.purge("all", inBody: false).status == 200)
            (try await rig.get(Path.reports)).expectForwarded("uri-miss; stored", number: 2)
            gate.open()
            let old = try await slow
            #expect(old.number == 1 && !old.cacheStatus.contains("stored"), "\(old.cacheStatus)")
            #expect(try await rig.number(Path.reports) == 2)
        }
    }

    @Test("a purge drops stale copies, too: no error is hidden by them afterwards")
    func staleCopies() async throws {
        try await withNumberedPages { rig, origin async throws in
            _ = try await rig.get(Path.reports)
            rig.clock.advance(by: .seconds(100))
            #expect(try await rig.purge("itwin=i", inBody: false).text == "{\"purged\":1}\n")
            origin.become(always: json("{}", status: "500 Internal Server Error"))
            #expect(try await rig.get(Path.reports).status == 500)
        }
    }

    @Test("without a cache there is nothing to purge")
    func disabled() async throws {
        try await withNumberedPages(["cache.enabled=false"]) { rig, _ async throws in
            #expect(try await rig.purge("all", inBody: false).status == 409)
        }
    }
}

extension Rig {
    /// `POST /purge` on the admin listener.
    fileprivate func purge(_ form: String, inBody: Bool) async throws -> RawResponse {
        let client = try RawClient(port: adminPort)
        defer { client.close() }
        let target = inBody || form.isEmpty ? "/purge" : "/purge?\(form)"
        let body = inBody ? form : ""
        return try await client.exchange(
            "POST \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
}
