// The operators' key, and names that may stand in Host.

import Proxy
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct AdminKeyTests {
    private static let key = "cpk_operators-key"
    private static let flags = ["admin.key_sha256=\(KeyHash(hashing: key).hex)", "cache.enabled=true"]

    private func admin(
        _ rig: Rig, _ method: String, _ target: String, _ headers: [String] = [], host: String = "localhost"
    ) async throws -> RawResponse {
        let client = try RawClient(port: rig.adminPort)
        defer { client.close() }
        let lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)", "Content-Length: 0"] + headers
        return try await client.exchange(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    @Test("everything but what is public needs the key, in any of its three places")
    func places() async throws {
        try await withRig { options in
            options.flags = Self.flags
        } _: { rig async throws in
            // base64 of "cpk_operators-key" behind a user name, none, and one with a colon in what follows.
            let good = [
                "Authorization: Bearer \(Self.key)", "authorization: bearer  \(Self.key) ", "X-Api-Key: \(Self.key)",
                "Authorization: Basic \(Base64Text.of("operator:\(Self.key)"))",
                "Authorization: Basic \(Base64Text.of(":\(Self.key)"))",
                "Authorization: Bearer something-else\r\nX-Api-Key: \(Self.key)",
            ]
            for header in good {
                #expect(try await admin(rig, "GET", "/metrics", [header]).status == 200, "\(header)")
                #expect(try await admin(rig, "POST", "/purge?all", [header]).status == 200, "\(header)")
                #expect(try await admin(rig, "GET", "/nowhere", [header]).status == 404)
            }
            for (headers, code) in [
                ([], "HeaderNotFound"), (["X-Api-Key:"], "HeaderNotFound"),
                (["Authorization: Bearer"], "HeaderNotFound"),
                (["Authorization: Bearer \(Self.key)x"], "InvalidCallerKey"), (["X-Api-Key: x"], "InvalidCallerKey"),
                (["Authorization: Basic \(Base64Text.of("\(Self.key):x"))"], "InvalidCallerKey"),
                (["Authorization: Basic \(Base64Text.of(Self.key))"], "HeaderNotFound"),
                (["Authorization: Basic ***"], "HeaderNotFound"), (["Authorization: \(Self.key)"], "HeaderNotFound"),
                (["X-Api-Key: \(KeyHash(hashing: Self.key).hex)"], "InvalidCallerKey"),
            ] {
                for (method, target) in [
                    ("GET", "/metrics"), ("HEAD", "/metrics"), ("POST", "/purge?all"), ("GET", "/purge"),
                    ("GET", "/nowhere"),
                    ("GET", "/"), ("GET", "/healthz/"), ("GET", "//healthz"), ("GET", "/healthz%2f"), ("OPTIONS", "*"),
                ] {
                    let answer = try await admin(rig, method, target, headers)
                    #expect(answer.status == 401, "\(method) \(target) \(headers)")
                    #expect(
                        answer.values("WWW-Authenticate")
                            == ["Bearer", "Basic realm=\"clash-proxy admin\", charset=\"UTF-8\""])
                    if method != "HEAD" {
                        #expect(answer.text.contains("\"code\":\"\(code)\"") && answer.text.contains("CLASH_ADMIN_KEY"))
                    }
                }
            }
            for path in ["/healthz", "/readyz", "/healthz?x=y"] {
                #expect(try await admin(rig, "GET", path).status == 200)
                #expect(try await admin(rig, "GET", path, ["X-Api-Key: wrong"]).status == 200)
            }
            #expect(!(rig.applicationLog.text + rig.accessLog.text).contains(Self.key))
        }
    }

    @Test("what admin.public names needs no key, and nothing else does without")
    func publicPaths() async throws {
        try await withRig { options in
            options.flags = Self.flags + ["admin.public=/metrics"]
        } _: { rig async throws in
            #expect(try await admin(rig, "GET", "/metrics").status == 200)
            #expect(try await admin(rig, "GET", "/healthz").status == 401)
            #expect(try await admin(rig, "GET", "/readyz").status == 401)
            #expect(try await admin(rig, "POST", "/purge?all").status == 401)
            let address = ListenAddress.tcp(host: "127.0.0.1", port: rig.adminPort)
            #expect(await !HealthCheck.ask(address).isReady)
            #expect(await HealthCheck.ask(address, key: Self.key).isReady)
            #expect(await !HealthCheck.ask(address, key: "a\r\nb").isReady)
        }
    }

    @Test("without a key nobody needs one")
    func none() async throws {
        try await withRig { rig async throws in
            #expect(try await admin(rig, "GET", "/metrics").status == 200)
            #expect(try await admin(rig, "GET", "/metrics", ["X-Api-Key: whatever"]).status == 200)
        }
    }

    @Test("the key opens to no foreign host and no foreign page")
    func guards() async throws {
        try await withRig { options in
            options.flags = Self.flags + ["admin.hosts=admin.example.com"]
        } _: { rig async throws in
            let key = "Authorization: Bearer \(Self.key)"
            #expect(try await admin(rig, "GET", "/metrics", [key], host: "evil.example").status == 403)
            #expect(try await admin(rig, "GET", "/metrics", [key], host: "Admin.Example.com:8081").status == 200)
            let foreign = ["Origin: https://evil.example", key]
            #expect(try await admin(rig, "POST", "/purge?all", foreign).status == 403)
        }
    }

    @Test("commands send CLASH_ADMIN_KEY", .enabled(if: Program.isBuilt))
    func commands() async throws {
        try await withRig { options in
            options.flags = Self.flags + ["admin.public=[]"]
        } _: { rig async throws in
            let set = ["--set", "admin.address=127.0.0.1:\(rig.adminPort)"]
            let path = Program.path
            func run(_ words: String, _ key: String) async throws -> Int {
                let command = "\(key)exec \(path) \(words) \(set.joined(separator: " "))"
                return Int(try await AuditProgram.run("/bin/sh", ["-c", command]).status)
            }
            for words in ["health", "cache purge --all"] {
                #expect(try await run(words, "unset CLASH_ADMIN_KEY; ") == 1)
                #expect(try await run(words, "CLASH_ADMIN_KEY=wrong; export CLASH_ADMIN_KEY; ") == 1)
                #expect(try await run(words, "CLASH_ADMIN_KEY=\(Self.key); export CLASH_ADMIN_KEY; ") == 0)
            }
        }
    }
}

/// Base64 of a text, by a way of its own.
private enum Base64Text {
    static func of(_ text: String) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        let bits = text.utf8.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 } }
        var digits = ""
        for start in stride(from: 0, to: bits.count, by: 6) {
            let six = (0..<6).map { start + $0 < bits.count ? Int(bits[start + $0]) : 0 }
            digits.append(letters[six.reduce(0) { $0 << 1 | $1 }])
        }
        return digits + String(repeating: "=", count: (4 - digits.count % 4) % 4)
    }
}

@Suite(.timeLimit(.minutes(8))) struct HostNameTests {
    @Test("names in listen.hosts may stand in Host where there are no callers; others may not")
    func hosts() async throws {
        try await withRig { options in
            options.flags = ["listen.hosts=clash-proxy,Clash-Proxy.team.svc.cluster.local"]
        } _: { rig async throws in
            for host in [
                "clash-proxy", "clash-proxy:8080", "CLASH-PROXY", "clash-proxy.team.svc.cluster.local:80", "127.0.0.1",
                "localhost:1",
            ] {
                let page = try await rig.get(rig.list, [("Host", host)])
                #expect(page.status == 200, "\(host)")
                #expect(page.link("next")?.hasPrefix("http://\(host)/") == true)
                // Absolute-form for this very host is no other host's.
                #expect(
                    try await rig.raw("GET http://\(host)\(rig.list) HTTP/1.1\r\nHost: \(host)\r\n\r\n").status == 200)
            }
            for host in [
                "evil.example", "clash-proxy.evil.example", "team.svc.cluster.local", "xclash-proxy", "clash-proxy.",
                "clash-proxy.team", "10.0.0.1",
            ] {
                let answer = try await rig.get(rig.list, [("Host", host)])
                answer.expectError(403, "OriginNotAllowed", reason: "origin-not-allowed", target: "Host")
                #expect(answer.text.contains("listen.hosts"))
            }
        }
    }
}
