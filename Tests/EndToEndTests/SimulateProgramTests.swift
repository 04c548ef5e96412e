// `clash-proxy simulate`: its flags do what they say, on the wire.

import Ground
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct SimulateProgramTests {
    @Test("simulate serves the fake API and issuer alone, with the limits, lives and faults that its flags name")
    func flags() async throws {
        let output = try CapturedLog()
        let program = try Program(
            [
                "simulate", "--itwins", "1", "--reports", "4", "--token-life", "90s", "--rate", "2/1h", "--fault",
                "503@/reportsx1",
            ], output: output.descriptor)
        let iTwin = try await word("iTwins", output)
        let api = try await client("api", output)
        let issuer = try await client("token", output)
        defer { for client in [api, issuer] { client.close() } }
        let form = "grant_type=client_credentials&client_id=demo&client_secret=demo-secret&scope=itwin-platform"
        let granted = try await issuer.exchange(
            "POST /connect/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                + "Content-Length: \(form.utf8.count)\r\n\r\n\(form)")
        #expect(granted.status == 200 && granted.text.contains("\"expires_in\":90"), "\(granted.text)")
        let token = granted.text.split(separator: "\"access_token\":\"").last?.prefix { $0 != "\"" } ?? ""
        var statuses: [Int] = []
        for _ in 0..<4 {
            let answer = try await api.exchange(
                "GET /clash-detection/itwins/\(iTwin)/reports HTTP/1.1\r\nHost: localhost\r\n"
                    + "Authorization: Bearer \(token)\r\n\r\n")
            statuses.append(answer.status)
            if answer.status == 200 { #expect(answer.text.contains("\"count\":4"), "\(answer.text)") }
        }
        #expect(statuses == [503, 200, 200, 429], "one fault, then the limit")
        #expect(try await program.end() == 0)
        output.close()
    }

    @Test("simulate token prints a token of a running simulator's issuer, with the claims that were asked for")
    func token() async throws {
        let output = try CapturedLog()
        let program = try Program(["simulate"], output: output.descriptor)
        let issuer = try await word("issuer", output)
        let printed = try await AuditProgram.run([
            "simulate", "token", "--issuer", issuer, "--sub", "alice", "--audience", "clash", "--alg", "ES256",
            "--claim",
            "email=a@example.com", "--claim", "groups=[\"admins\"]", "--life", "15m",
        ])
        #expect(printed.status == 0, "\(printed.errors)")
        let parts = printed.output.split(separator: "\n").first.map { $0.split(separator: ".") } ?? []
        #expect(parts.count == 3)
        let claims = parts.dropFirst().first.flatMap { Base64.decodeURL($0.utf8) }.flatMap { JSON($0) }
        #expect(claims?["iss"]?.string == issuer && claims?["sub"]?.string == "alice")
        #expect(claims?["aud"]?.string == "clash" && claims?["email"]?.string == "a@example.com")
        #expect(claims?["groups"] == .array([.string("admins")]))
        #expect((claims?["exp"]?.number ?? 0) - (claims?["iat"]?.number ?? 0) == 900)
        for arguments in [["--issuer", "https://login.example.com"], ["--issuer", issuer + "9999"]] {
            let refused = try await AuditProgram.run(["simulate", "token", "--sub", "alice"] + arguments)
            #expect(refused.status != 0 && !refused.errors.isEmpty)
        }
        #expect(try await program.end() == 0)
        output.close()
    }

    @Test("a flag that cannot be understood is told, and nothing is started")
    func misunderstood() async throws {
        for flags in [["--fault", "no-such-fault"], ["--rate", "500"], ["--token-life", "forever"]] {
            let refused = try await AuditProgram.run(["simulate"] + flags)
            #expect(refused.status != 0)
            #expect(refused.errors.contains(flags[1]), "\(refused.errors)")
        }
    }

    /// The word behind a label of what it says at its start.
    private func word(_ label: String, _ output: CapturedLog) async throws -> String {
        let words = try await output.line(with: "\(label) ").split(separator: " ")
        return String(try #require(words.dropFirst().first))
    }

    private func client(_ label: String, _ output: CapturedLog) async throws -> RawClient {
        let url = try await word(label, output)
        let port = try #require(url.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) })
        return try RawClient(port: port)
    }
}
