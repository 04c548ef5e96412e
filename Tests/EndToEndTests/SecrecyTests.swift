// The upstream token, the client secret and caller keys are seen by those they are for, and by nobody else: not in any
// byte that a tool gets, not in any line of any log.

import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct SecrecyTests {
    @Test("no token, secret or key is in any byte a tool gets or in any log line, whatever goes wrong")
    func nowhere() async throws {
        let made = try KeyGenerator.make(name: "tool", allow: "read,write,run,delete")
        let key = made.key.withValue { $0 }
        try await withRig { options in
            options.file = made.table
            options.flags = ["log.level=trace", "upstream.first_byte_timeout=300ms"]
        } _: { rig in
            try await provoke(rig, key)
            let tokens = rig.simulator.recorded.compactMap { $0[header: "Authorization"] }
                .map { String($0.split(separator: " ").last ?? "") }
            let secrets = Set(tokens).union(["demo-secret", key, "my.own.jwt", "ZGVtbzpkZW1vLXNlY3JldA=="])
            #expect(secrets.count > 4, "tokens were in use")
            let answers = try await provoke(rig, key)
            try await eventually("the log is complete") { rig.accessLog.lines.count >= 22 }
            for secret in secrets where !secret.isEmpty {
                #expect(!answers.contains(secret), "a tool got \(secret)")
                #expect(!rig.accessLog.text.contains(secret), "the access log has \(secret)")
                #expect(!rig.applicationLog.text.contains(secret), "the log has \(secret)")
            }
            #expect(!rig.accessLog.text.contains("cuid") && !rig.accessLog.text.contains("because"))
        }
    }

    @Test(
        "a key where none belongs - in a query, a path, an id, a reason - is in no log, no span's path, no record and no page"
    )
    func misplaced() async throws {
        let made = try KeyGenerator.make(name: "tool", allow: "read,write,run,delete")
        let key = made.key.withValue { $0 }
        let own = "a-key-of-somebodys-own-making-4711"
        let collector = ScriptedOrigin { connection in
            while true {
                _ = try connection.readRequest()
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        defer { collector.stop() }
        let hash = KeyHash(hashing: own).hex
        try await withRig { options in
            options.file = made.table + "[[caller]]\nname = \"own\"\nkey_sha256 = \"\(hash)\"\nallow = [\"read\"]\n"
            options.flags = [
                "log.level=trace", "cache.enabled=true", "traces.endpoint=\(collector.url)/v1/traces",
                "traces.sample=1",
            ]
        } _: { rig in
            let tool = ("X-Api-Key", key)
            let odd = "%63pk%5F" + key.dropFirst(4)
            for (index, target) in [
                rig.list + "&\(key)", rig.list + "&\(key)=1", rig.list + "&\(odd)", "/clashdetection/runs/\(key)",
                "/clashdetection/runs/\(odd)",
            ].enumerated() {
                _ = try await rig.get(target, [tool, ("x-correlation-id", "q-\(index)")])
            }
            let named = try await rig.get(rig.list, [tool, ("x-correlation-id", key)])
            #expect(named.status == 200 && named["x-correlation-id"]?.count == 36)
            let bearer = try await rig.get(
                rig.list + "&\(own)", [("Authorization", "Bearer \(own)"), ("x-correlation-id", own)])
            #expect(bearer.status == 200)
            let id = try #require(bearer["x-correlation-id"])
            #expect(id != own)
            let reason = ("X-Audit-Reason", "because of \(key)")
            _ = try await rig.call(
                "DELETE", "/clashdetection/runs/x?\(key)", [tool, reason, ("x-correlation-id", "d-1")])
            try await eventually("the log is complete") { rig.accessLog.lines.count == 8 }
            var seen = rig.accessLog.text + rig.applicationLog.text
            seen += try AuditLogFile.lines(rig.auditFolder).map(\.text).joined()
            for id in (0..<5).map({ "q-\($0)" }) + ["d-1", id] {
                seen += try await rig.admin("/explain?id=\(id)").text
            }
            seen += try await rig.admin("/status.json").text
            #expect(seen.contains("cpk_***"))
            for secret in [key, String(key.dropFirst(4)), own] {
                #expect(!seen.contains(secret), "\(seen.split(separator: "\n").filter { $0.contains(secret) })")
            }
            _ = await rig.drain()
            #expect(!collector.receivedText.contains(key.dropFirst(4)) && collector.receivedText.contains("url.path"))
        }
    }

    /// One call of each kind of trouble; all bytes that came back.
    @discardableResult
    private func provoke(_ rig: Rig, _ key: String) async throws -> String {
        let tool = [("X-Api-Key", key), ("Authorization", "Bearer my.own.jwt"), ("X-Audit-Reason", "because")]
        let reports = RequestFilter(target: "/reports")
        var bytes = ""
        func call(_ target: String, _ headers: [(String, String)], _ method: String = "GET") async throws {
            let client = try rig.connect()
            try await client.send(rig.request(method, target, headers + [("Connection", "close")]))
            _ = try await client.readToEnd()
            bytes += client.receivedText
            client.close()
        }
        try await call(rig.list + "&cuid=1", tool)
        try await call(rig.list, [("Authorization", "Bearer \(key)x")])
        try await call("/nowhere?key=\(key)", tool)
        try await call("/clashdetection/../x", tool)
        try await call("/clashdetection/runs/x", tool, "DELETE")
        let faults: [Fault] = [
            .unauthorized(.invalidJWT), .redirect(to: "http://127.0.0.1:1/x"), .hang, .garbage("x\r\n\r\n"),
            .plainText500,
        ]
        for fault in faults {
            rig.simulator.inject(fault, where: reports)
            try await call(rig.list, tool)
        }
        rig.simulator.revokeTokens()
        rig.clock.advance(by: .seconds(10))
        rig.simulator.inject(.tokenErrorEchoingSecret, where: .token)
        try await call(rig.list, tool)
        rig.simulator.clearFaults()
        rig.clock.advance(by: .seconds(60))
        try await eventually("there is a token again") { rig.sidecar.notReadyReasons.isEmpty }
        return bytes
    }

    @Test("a redirect of upstream's is passed on, not followed: the token goes to one host only")
    func redirect() async throws {
        let elsewhere = Received()
        let other = origin(elsewhere, always: ok)
        let received = Received()
        let first = origin(received) { _, _ in
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: \(other.url)/clashdetection/tests\r\nContent-Length: 0\r\n\r\n"
        }
        try await withRig(origin: first) { rig in
            let answer = try await rig.get("/clashdetection/tests")
            #expect(answer.status == 307)
            #expect(answer["Location"] == "\(other.url)/clashdetection/tests")
            #expect(received.count == 1 && elsewhere.count == 0)
        }
        other.stop()
    }
}
