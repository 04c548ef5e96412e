// Callers who are known by their certificate, from the handshake to the audit log.

import Configuration
import Proxy
import Simulator
import TestCertificates
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Shell.has("curl"), "curl (apt) presents certificates here"))
struct ClientCertificateTests {
    private static let callers = [
        ("by-name", "CN tool"), ("by-dns", "viewer.team.example"), ("by-uri", "spiffe://team.example/ns/ci/sa/nightly"),
        ("by-mail", "ada@team.example"), ("by-address", "10.1.2.3"),
    ]

    /// Callers of every kind, and one with a key.
    private func withClients(_ body: (Rig, TLSFolder, String) async throws -> Void) async throws {
        let made = try KeyGenerator.make(name: "keyed", allow: "read")
        let key = made.key.withValue { $0 }
        try await withTLS { options, files in
            options.flags += ["listen.client_ca=\(files.ca)", "cache.enabled=true"]
            options.file =
                Self.callers.map {
                    "[[caller]]\nname = \"\($0.0)\"\ncertificate = \"\($0.1)\"\nallow = [\"read\", \"delete\"]\n"
                }
                .joined() + made.table
            func write(_ file: String, _ name: String, _ names: [String]) throws {
                try files.write(TestCertificate(name, issuer: files.authority, names: names), file)
            }
            try write("by-name", "CN tool", [])
            try write("by-dns", "x", ["DNS:other.example", "DNS:viewer.team.example"])
            try write("by-uri", "x", ["URI:spiffe://team.example/ns/ci/sa/nightly"])
            try write("by-mail", "x", ["email:ada@team.example"])
            try write("by-address", "x", ["IP:10.1.2.3"])
            try write("nobody", "nobody", ["DNS:nobody.example", "URI:spiffe://team.example/ns/ci/sa/nightl"])
        } _: { rig, files in
            try await body(rig, files, key)
        }
    }

    @Test("a caller is known by the common name and by every kind of alternative name, hits included")
    func kinds() async throws {
        try await withClients { rig, files, _ in
            let url = "https://127.0.0.1:\(rig.port)\(rig.list)"
            // The same bytes from each: what is remembered of a head must not pass from one to another.
            for _ in 1...2 {
                for (name, _) in Self.callers {
                    let code = try await Shell.run("\(files.curl(name)) -o /dev/null -w '%{http_code}' '\(url)'")
                    #expect(code == "200", "\(name)")
                }
            }
            for (name, _) in Self.callers {
                _ = try await rig.accessLog.line(with: " \(name) v2.reports.list GET ", "via=certificate")
                try await eventually("both calls of \(name) are logged") {
                    rig.accessLog.lines.count { $0.contains(" \(name) ") } == 2
                }
            }
            let nobody = try await Shell.run("\(files.curl("nobody")) -w ' %{http_code}' '\(url)'")
            #expect(nobody.hasSuffix(" 401") && nobody.contains("HeaderNotFound"), "\(nobody)")
        }
    }

    @Test("a key that is sent all the same wins, also where it is wrong")
    func keyWins() async throws {
        try await withClients { rig, files, key in
            let url = "https://127.0.0.1:\(rig.port)\(rig.list)"
            let call = "\(files.curl("by-dns")) -w ' %{http_code}' '\(url)'"
            for field in ["X-Api-Key: \(key)", "Authorization: Bearer \(key)"] {
                #expect(try await Shell.run("\(call) -H '\(field)'").hasSuffix(" 200"))
            }
            try await eventually("both calls with a key are logged") {
                rig.accessLog.lines.count { $0.contains(" keyed ") && !$0.contains("via=") } == 2
            }
            for field in ["X-Api-Key: wrong", "Authorization: Bearer wrong"] {
                let told = try await Shell.run("\(call) -H '\(field)'")
                #expect(told.hasSuffix(" 401") && told.contains("InvalidCallerKey"), "\(told)")
            }
            #expect(try await Shell.run("\(call) -H 'X-Api-Key;'").hasSuffix(" 200"))
        }
    }

    @Test("the audit log names the caller, and that it was known by its certificate")
    func audit() async throws {
        try await withClients { rig, files, _ in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin).first ?? ""
            let told = try await Shell.run(
                "\(files.curl("by-uri")) -w ' %{http_code}' -X POST -H 'Content-Type: application/json' "
                    + "-H 'x-correlation-id: mtls-1' -d '{\"jobs\":[\"\(report)\"],\"operation\":\"delete\"}' "
                    + "'https://127.0.0.1:\(rig.port)\(rig.v2)/reports/jobs/deletion'")
            #expect(told.hasSuffix(" 202"), "\(told)")
            let records = try rig.records(of: "mtls-1")
            #expect(records.count == 2)
            for record in records {
                #expect(
                    record.line.caller
                        == AuditLine.Caller(
                            name: "by-uri", address: "127.0.0.1", via: "certificate", issuer: nil, subject: nil))
            }
        }
    }

    @Test("over HTTP/2 the same: rights by certificate, hits included, the caller in audit log and access log")
    func overHTTP2() async throws {
        try await withClients { rig, files, _ in
            let tunnel = try await TLSTunnel(to: rig.port, files, client: "by-uri")
            let client = try await tunnel.connect2()
            for id in ["h2-miss", "h2-hit"] {
                #expect(try await client.get(rig.list, [("x-correlation-id", id)]).status == 200)
                _ = try await rig.accessLog.line(with: id, " by-uri v2.reports.list GET ", "via=certificate")
            }
            let write = try await client.begin(
                "POST", "\(rig.v2)/tests", [("content-type", "application/json")], body: Array("{}".utf8))
            #expect(try await client.answer(on: write).status == 403)
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin).first ?? ""
            let deletion = try await client.begin(
                "POST", "\(rig.v2)/reports/jobs/deletion",
                [("content-type", "application/json"), ("x-correlation-id", "h2-delete")],
                body: Array("{\"jobs\":[\"\(report)\"],\"operation\":\"delete\"}".utf8))
            #expect(try await client.answer(on: deletion).status == 202)
            _ = try await rig.accessLog.line(with: "h2-delete", " by-uri ", "via=certificate")
            let records = try rig.records(of: "h2-delete")
            #expect(records.map { $0.line.caller?.name } == ["by-uri", "by-uri"])
            #expect(records.allSatisfy { $0.line.caller?.via == "certificate" })
            let nobody = try await TLSTunnel(to: rig.port, files, client: "nobody")
            #expect(try await nobody.connect2().get(rig.list).status == 401)
            try await tunnel.stop()
            try await nobody.stop()
        }
    }

    @Test(
        "without a certificate, or with one that is foreign, expired or not yet valid, the handshake fails",
        arguments: ["--tls-max 1.2", "--tlsv1.3"])
    func refused(version: String) async throws {
        try await withClients { rig, files, _ in
            let foreign = try TestCertificate("authority", isAuthority: true)
            try files.write(TestCertificate("CN tool", issuer: foreign), "foreign")
            try files.write(TestCertificate("CN tool"), "self-signed")
            try files.write(TestCertificate("CN tool", issuer: files.authority, days: (-3, -1)), "expired")
            try files.write(TestCertificate("CN tool", issuer: files.authority, days: (1, 3)), "early")
            let url = "https://127.0.0.1:\(rig.port)\(rig.list)"
            for client in [nil, "foreign", "self-signed", "expired", "early"] {
                let told = try await Shell.run(
                    "\(files.curl(client)) \(version) -w '%{http_code}' '\(url)' 2>&1; echo exit=$?")
                #expect(told.contains("000") && !told.contains("exit=0"), "\(client ?? "none"): \(told)")
            }
            _ = try await rig.applicationLog.line(with: "a TLS handshake failed", "PEER_DID_NOT_RETURN_A_CERTIFICATE")
            #expect(rig.accessLog.lines.isEmpty)
            #expect(try await Shell.run("\(files.curl("by-name")) -o /dev/null -w '%{http_code}' '\(url)'") == "200")
        }
    }

    @Test("another client_ca: whom it does not vouch for ends after the current request, others stay; the log names it")
    func authority() async throws {
        try await withClients { rig, files, _ in
            let next = try TestCertificate("another authority", isAuthority: true)
            try files.write(TestCertificate("CN tool", issuer: next), "of-next")
            // Known by both: the client's certificate is signed by the authority that stays.
            try TestCertificate.write(files.authority.pem + next.pem, to: files.ca)
            _ = await rig.reload()
            var tunnels: [TLSTunnel] = []
            for name in ["by-name", "of-next"] {
                tunnels.append(try await TLSTunnel(to: rig.port, files, client: name))
                tunnels.append(try await TLSTunnel(to: rig.port, files, client: name, protocols: ["http/1.1"]))
            }
            let two = [try await tunnels[0].connect2(), try await tunnels[2].connect2()]
            let one = [try tunnels[1].connect(), try tunnels[3].connect()]
            let idle = try tunnels[1].connect()
            #expect(try await idle.exchange(rig.request("GET", rig.list)).status == 200)
            // Upstream knows none of them, and takes its time to say so.
            let slow = (0..<4).map { "/clashdetection/results/x\($0)" }
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: "/results/"), times: 4)
            let streams = [try await two[0].begin("GET", slow[0]), try await two[1].begin("GET", slow[1])]
            for (index, client) in one.enumerated() { try await client.send(rig.request("GET", slow[2 + index])) }
            #expect(await rig.simulator.waitForRequests(4, where: RequestFilter(target: "/results/")))
            try TestCertificate.write(next.pem, to: files.ca)
            #expect(await rig.reload() == .taken(changed: ["listen.client_ca"], needsRestart: []))
            _ = try await rig.applicationLog.line(with: "configuration taken", "\"changed\": listen.client_ca")
            #expect(try await idle.readToEnd().isEmpty, "an idle one ends at once")
            rig.simulator.releaseHeld()
            for (index, stays) in [false, true].enumerated() {
                #expect(try await two[index].answer(on: streams[index]).status == 404)
                let answer = try await one[index].response()
                #expect(answer.status == 404 && (answer["Connection"] == "close") == !stays)
                if stays {
                    #expect(try await two[index].get(rig.list).status == 200)
                    #expect(try await one[index].exchange(rig.request("GET", rig.list)).status == 200)
                } else {
                    _ = try await two[index].wire.readToEnd()
                    #expect(try await one[index].readToEnd().isEmpty)
                }
            }
            for client in one + [idle] { client.close() }
            for tunnel in tunnels { try await tunnel.stop() }
        }
    }

    @Test("a certificate that expires while a session lives is good for nothing, resumed or not")
    func expiredMeanwhile() async throws {
        try await withClients { rig, files, _ in
            try files.write(TestCertificate("CN tool", issuer: files.authority, days: (-1, 1)), "short")
            let request = "printf 'GET /x HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'"
            let client =
                "openssl s_client -connect 127.0.0.1:\(rig.port) -CAfile \(files.ca) -ign_eof "
                + "-cert \(files.path("short.pem")) -key \(files.path("short.key"))"
            let first = try await Shell.run("\(request) | \(client) -sess_out \(files.path("session")) 2>&1")
            #expect(first.contains("HTTP/1.1 404"), "\(first)")
            let second = try await Shell.run("\(request) | \(client) -sess_in \(files.path("session")) 2>&1")
            #expect(second.contains("Reused") && second.contains("HTTP/1.1 404"), "\(second)")
            rig.clock.advance(by: .seconds(2 * 86_400))
            let third = try await Shell.run("\(request) | \(client) -sess_in \(files.path("session")) 2>&1")
            #expect(third.contains("Reused") && !third.contains("HTTP/1.1"), "\(third)")
        }
    }
}
