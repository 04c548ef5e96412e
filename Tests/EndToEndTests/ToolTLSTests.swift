// TLS on the tools' listener, with the tools that people have: curl and openssl.

import Configuration
import Proxy
import Simulator
import TestCertificates
import TestSupport
import Testing

@Suite(
    .timeLimit(.minutes(8)), .enabled(if: Shell.has("curl", "openssl"), "curl and openssl (apt) speak TLS here"))
struct ToolTLSTests {
    @Test("curl calls by https, links lead back there, and the log says where tools connect")
    func curl() async throws {
        try await withTLS { rig, files in
            let base = "https://127.0.0.1:\(rig.port)"
            #expect(rig.addresses.tools == base)
            for _ in 1...2 {
                let page = try await Shell.run("\(files.curl()) -i '\(base)\(rig.list)'")
                #expect(page.hasPrefix("HTTP/1.1 200") || page.hasPrefix("HTTP/2 200"), "\(page)")
                #expect(page.contains("\"href\":\"\(base)/clash-detection/"), "\(page)")
            }
            let stranger = try await Shell.run("curl -sS -m 20 '\(base)\(rig.list)' 2>&1; echo exit=$?")
            #expect(stranger.contains("exit=60"), "\(stranger)")
            _ = try await rig.applicationLog.line(with: "listening", base)
            _ = try await rig.applicationLog.line(with: "TLS certificate ends")
            let metrics = try await rig.admin("/metrics").text
            let line = metrics.split(separator: "\n").first { $0.hasPrefix("clash_proxy_tls_expires_seconds ") }
            let left = line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
            #expect(left > 29 * 86_400 && left <= 30 * 86_400, "\(left)")
        }
    }

    @Test(
        "Python's ssl calls by TLS 1.2 and 1.3, one connection for several requests", .enabled(if: Shell.has("python3"))
    )
    func python() async throws {
        try await withTLS { rig, files in
            for version in ["TLSv1_2", "TLSv1_3"] {
                let script = """
                    import http.client, ssl
                    context = ssl.create_default_context(cafile="\(files.ca)")
                    context.minimum_version = context.maximum_version = ssl.TLSVersion.\(version)
                    connection = http.client.HTTPSConnection("localhost", \(rig.port), timeout=20, context=context)
                    for _ in range(3):
                        connection.request("GET", "\(rig.list)")
                        answer = connection.getresponse()
                        answer.read()
                        print(answer.status, connection.sock.version())
                    """
                try TestCertificate.write(script, to: files.path("call.py"))
                let told = try await Shell.run("python3 \(files.path("call.py")) 2>&1")
                let line = "200 \(version.replacing("_", with: "."))\n"
                #expect(told == line + line + line, "\(told)")
            }
        }
    }

    @Test("cached pages lead back by the scheme that each tool came with")
    func schemes() async throws {
        let socket = "/tmp/clash-proxy-test-\(UInt32.random(in: 0 ... .max)).sock"
        try await withTLS { options, files in
            options.flags += ["listen.address=127.0.0.1:0,unix:\(socket)", "cache.enabled=true"]
        } _: { rig, files in
            #expect(rig.addresses.allTools.last == "unix:\(socket)")
            for _ in 1...2 {
                let page = try await Shell.run(
                    "\(files.curl()) --http1.1 -H 'Host: localhost' 'https://127.0.0.1:\(rig.port)\(rig.list)'")
                #expect(page.contains("\"href\":\"https://localhost/clash-detection/"), "\(page)")
                let client = try RawClient(unixPath: socket)
                defer { client.close() }
                let plain = try await client.exchange(rig.request("GET", rig.list, [("Host", "localhost")]))
                #expect(plain.link("next")?.hasPrefix("http://localhost/clash-detection/") == true)
            }
        }
    }

    @Test("TLS 1.2 and 1.3 with authenticated ciphers and forward secrecy, nothing older, nothing weaker")
    func versions() async throws {
        try await withTLS { rig, files in
            func handshake(_ options: String) async throws -> String {
                try await Shell.run(
                    "openssl s_client -connect 127.0.0.1:\(rig.port) -CAfile \(files.ca) -alpn http/1.1 "
                        + "\(options) </dev/null 2>&1")
            }
            for version in ["-tls1_2", "-tls1_3"] {
                let told = try await handshake(version)
                #expect(told.contains("Verify return code: 0"), "\(told)")
                #expect(told.contains("ALPN protocol: http/1.1"), "\(told)")
            }
            for refused in [
                "-tls1 -cipher DEFAULT@SECLEVEL=0", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", "-tls1_2 -cipher AES128-SHA",
                "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",
            ] {
                let told = try await handshake(refused)
                #expect(told.contains("Cipher is (NONE)"), "\(refused): \(told)")
            }
        }
    }

    @Test("sessions are resumed", arguments: ["-tls1_2", "-tls1_3"])
    func resumption(version: String) async throws {
        try await withTLS { rig, files in
            let request = "printf 'GET /x HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'"
            let client = "openssl s_client -connect 127.0.0.1:\(rig.port) -CAfile \(files.ca) \(version) -ign_eof"
            let session = files.path("session")
            let first = try await Shell.run("\(request) | \(client) -sess_out \(session) 2>&1")
            let second = try await Shell.run("\(request) | \(client) -sess_in \(session) 2>&1")
            #expect(first.contains("New, TLSv1") && first.contains("HTTP/1.1 404"), "\(first)")
            #expect(second.contains("Reused, TLSv1") && second.contains("HTTP/1.1 404"), "\(second)")
        }
    }

    @Test("a large answer comes whole, and so does a large request")
    func large() async throws {
        try await withTLS { options, _ in
            options.simulator.bigReportClashes = 20_000
        } _: { rig, files in
            let report = try #require(rig.simulator.bigReportID)
            let url = "https://127.0.0.1:\(rig.port)\(rig.v2)/reports/\(report)"
            let answer = try await Shell.run("\(files.curl()) '\(url)' | python3 -m json.tool >/dev/null && echo whole")
            #expect(answer == "whole\n")
            let body = files.path("body")
            let sent = try await Shell.run(
                "head -c 2000000 /dev/zero | tr '\\0' ' ' > \(body); \(files.curl()) -o /dev/null -w '%{http_code} %{size_upload}' "
                    + "-H 'Content-Type: application/json' --data-binary @\(body) "
                    + "'https://127.0.0.1:\(rig.port)\(rig.v2)/tests'")
            #expect(sent.hasSuffix(" 2000000"), "\(sent)")
        }
    }

    @Test("a plain request on a TLS port gets a 400 that it can read, and the connection is closed")
    func plainOnTLS() async throws {
        try await withTLS { rig, _ in
            for method in ["GET", "DELETE", "HEAD", "PRI"] {
                let client = try rig.connect()
                defer { client.close() }
                let answer = try await client.exchange("\(method) /x HTTP/1.1\r\nHost: h\r\n\r\n", method: method)
                #expect(answer.status == 400)
                #expect(answer["connection"] == "close")
                #expect(answer.text.contains("https://") == (method != "HEAD"), "\(method): \(answer.text)")
                #expect(try await client.readToEnd().isEmpty)
            }
            _ = try await rig.accessLog.line(with: " DELETE - 400 proxy refused:invalid-request")
        }
    }

    @Test("TLS on a plain port is closed, and the log says so, once a minute at most")
    func tlsOnPlain() async throws {
        try await withRig { rig in
            for _ in 1...3 {
                let told = try await Shell.run("curl -ksS -m 20 https://127.0.0.1:\(rig.port)/x 2>&1; echo exit=$?")
                #expect(told.contains("exit=35"), "\(told)")
            }
            _ = try await rig.applicationLog.line(with: "a tool speaks TLS to a port without it")
            #expect(rig.applicationLog.lines.count { $0.contains("speaks TLS to a port") } == 1)
            #expect(rig.accessLog.lines.isEmpty)
        }
    }

    @Test(
        "a handshake that does not come, or stops half-way, is over after header_timeout",
        arguments: [[], [0x16], [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]] as [[UInt8]])
    func slowHandshake(bytes: [UInt8]) async throws {
        try await withTLS { options, _ in
            options.flags += ["listen.header_timeout=300ms"]
        } _: { rig, files in
            let client = try rig.connect()
            defer { client.close() }
            if !bytes.isEmpty { try await client.send(String(decoding: bytes, as: UTF8.self)) }
            #expect(try await client.readToEnd().isEmpty)
            _ = try await rig.applicationLog.line(with: "was not complete within listen.header_timeout")
            let good = try await Shell.run(
                "\(files.curl()) -o /dev/null -w '%{http_code}' 'https://127.0.0.1:\(rig.port)\(rig.list)'")
            #expect(good == "200")
        }
    }

    @Test("garbage instead of a handshake, and a peer that leaves in the middle of one, harm nobody")
    func garbage() async throws {
        try await withTLS { rig, files in
            for bytes in [
                "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "\u{0}\u{1}\u{2}\r\n\r\n", "\u{16}",
                "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{28}",
            ] {
                let client = try rig.connect()
                try await client.send(bytes)
                if bytes != "\u{16}" { _ = try await client.readToEnd() }
                client.close()
            }
            _ = try await rig.applicationLog.line(with: "a TLS handshake failed")
            let good = try await Shell.run(
                "\(files.curl()) -o /dev/null -w '%{http_code}' 'https://127.0.0.1:\(rig.port)\(rig.list)'")
            #expect(good == "200")
        }
    }

    @Test("connections in mid-handshake count, and who is one too many is told so by TLS")
    func tooMany() async throws {
        try await withTLS { options, _ in
            options.flags += ["listen.max_connections=1"]
        } _: { rig, files in
            let silent = try rig.connect()
            let url = "https://127.0.0.1:\(rig.port)\(rig.list)"
            let refused = try await Shell.run("\(files.curl()) --http1.1 -i '\(url)'") {
                $0.hasPrefix("HTTP/1.1 503") && $0.contains("TooManyConnections")
            }
            #expect(refused.contains("TooManyConnections"), "\(refused)")
            silent.close()
            let free = try await Shell.run("\(files.curl()) -o /dev/null -w '%{http_code}' '\(url)'") { $0 == "200" }
            #expect(free == "200")
        }
    }

    @Test("an idle TLS connection does not hold up the end of the proxy")
    func drain() async throws {
        try await withTLS { rig, files in
            let idle = Task {
                try await Shell.run(
                    "(printf 'GET /x HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'; sleep 20) | openssl s_client -quiet "
                        + "-connect 127.0.0.1:\(rig.port) -CAfile \(files.ca) 2>&1")
            }
            _ = try await rig.accessLog.line(with: "GET /x 404")
            let start = ContinuousClock.now
            #expect(await rig.drain())
            #expect(ContinuousClock.now - start < .seconds(4))
            idle.cancel()
        }
    }

    @Test("the admin address beyond loopback speaks TLS with the same certificate, and asks for no client's")
    func admin() async throws {
        let hash = String(repeating: "ab", count: 32)
        try await withTLS { options, files in
            options.flags += ["admin.address=0.0.0.0:0", "admin.key_sha256=\(hash)", "listen.client_ca=\(files.ca)"]
        } _: { rig, files in
            #expect(rig.addresses.admin?.hasPrefix("https://0.0.0.0:") == true)
            let health = try await Shell.run("\(files.curl()) https://127.0.0.1:\(rig.adminPort)/healthz")
            #expect(health.contains("alive"), "\(health)")
            let asked = await HealthCheck.ask(
                .tcp(host: "0.0.0.0", port: rig.adminPort), certificate: files.certificate)
            #expect(asked.isReady, "\(asked.text)")
            let other = try files.server()
            try files.write(other, "other")
            let wrong = await HealthCheck.ask(
                .tcp(host: "0.0.0.0", port: rig.adminPort), certificate: files.path("other.pem"))
            #expect(!wrong.isReady)
        }
    }
}
