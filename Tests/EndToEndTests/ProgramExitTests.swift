// What scripts and supervisors see of the program: its exit codes and its two streams.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2)), .enabled(if: Program.isBuilt)) struct ProgramExitTests {
    @Test("SIGTERM, and all was finished: 0")
    func drained() async throws {
        try await withServing { _, program in
            let port = try await program.port()
            let client = try RawClient(port: port)
            defer { client.close() }
            #expect(try await client.exchange("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 404)
            #expect(try await program.end() == 0)
        }
    }

    @Test("SIGTERM, and something had to be broken off: 75")
    func cutShort() async throws {
        try await withServing(["--set", "shutdown.drain_timeout=100ms"]) { simulator, program in
            simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let client = try RawClient(port: try await program.port())
            defer { client.close() }
            let target = "/clash-detection/itwins/\(simulator.iTwinIDs[0])/reports"
            try await client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(await simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            #expect(try await program.end() == 75)
            #expect(try await client.response().status == 503)
        }
    }

    @Test("the access log goes to standard output, the application log to standard error")
    func streams() async throws {
        let output = try CapturedLog()
        try await withServing(output: output.descriptor) { _, program in
            // The port stands in the line "listening", which is read from standard error.
            let client = try RawClient(port: try await program.port())
            defer { client.close() }
            _ = try await client.exchange("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _ = try await output.line(with: " GET /nowhere 404 ")
            #expect(try await program.end() == 0)
            #expect(output.lines.count == 1, "\(output.text)")
        }
        output.close()
    }

    @Test("a wrong configuration: 78, from check and from serve; a good one: 0 from check")
    func configuration() async throws {
        let good = ["--config", "/dev/null", "--set", "token.client_id=a", "--set", "token.client_secret=hush"]
        let bad = good + ["--set", "rate.max_in_flight=none"]
        #expect(try await AuditProgram.run(["check"] + good).status == 0)
        for command in ["check", "serve"] {
            let refused = try await AuditProgram.run([command] + bad)
            #expect(refused.status == 78)
            #expect(refused.errors.contains("rate.max_in_flight"))
            #expect(!(refused.output + refused.errors).contains("hush"))
        }
    }

    @Test("an address that is taken: 1, and what to do")
    func taken() async throws {
        try await withServing { _, program in
            let port = try await program.port()
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            let second = try await AuditProgram.run([
                "serve", "--config", "/dev/null", "--set", "token.client_id=a", "--set", "token.client_secret=b",
                "--set", "listen.address=127.0.0.1:\(port)", "--set", "admin.address=", "--set",
                "audit.path=\(folder.path)/audit",
            ])
            #expect(second.status == 1)
            #expect(second.errors.contains("listen.address"), "\(second.errors)")
            #expect(try await program.end() == 0)
        }
    }

    private func withServing(
        _ flags: [String] = [], output: Int32? = nil, _ body: (Simulator, Program) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let simulator = Simulator(SimulatorConfiguration())
        let upstream = try await simulator.start()
        let settings = [
            "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(upstream.apiURL)",
            "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(folder.path)/audit",
        ]
        let arguments = ["serve", "--config", "/dev/null"] + settings.flatMap { ["--set", $0] } + flags
        let program = try Program(arguments, output: output)
        try await body(simulator, program)
        await simulator.stop()
    }
}
