// What scripts and supervisors see of the program: its exit codes and its two streams.

import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct ProgramExitTests {
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

    @Test("a second SIGTERM when nothing runs: 0, whatever connections are open or were just closed")
    func twiceWithoutWork() async throws {
        try await withServing { _, program in
            let port = try await program.port()
            let idle = try (0..<40).map { _ in try RawClient(port: port) }
            for client in idle[..<10] { try await client.send("GET /nowhere HTTP/1.1\r\nHo") }
            for client in idle[10..<20] { client.close() }
            program.signal()
            #expect(try await program.end() == 0)
            for client in idle { client.close() }
        }
    }

    @Test(
        "a listener without descriptors waits and burns nothing, and goes on when there are some",
        arguments: ["tools", "admin"])
    func descriptors(listener: String) async throws {
        try await withServing(["--set", "admin.address=127.0.0.1:0"]) { _, program in
            let port = try await program.port(listener)
            let request = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let first = try RawClient(port: port)
            #expect(try await first.exchange(request).status == 404)
            let open = program.descriptors
            try await program.limitDescriptors(to: ((0...).first { open[$0] == nil } ?? 0) + 2)
            let more = try (0..<20).map { _ in try RawClient(port: port) }
            try await program.said("no new connections for now: raise the limit of open files")
            let before = program.processorTicks
            try await Task.sleep(for: .seconds(1))
            #expect(program.processorTicks - before < 10)
            #expect(try await first.exchange(request).status == 404)
            try await program.limitDescriptors(to: 200)
            #expect(try await more[19].exchange(request).status == 404)
            for client in more + [first] { client.close() }
            #expect(try await program.end() == 0)
        }
    }

    @Test("standard streams that are closed lead nowhere, and are nobody's socket or log")
    func closedStreams() async throws {
        try await withServing(closed: true) { _, program in
            _ = try await program.port()
            #expect(program.descriptors[0] == "/dev/null" && program.descriptors[1] == "/dev/null")
            #expect(try await program.end() == 0)
        }
    }

    @Test("a configuration may be piped in, but a named pipe is not waited for")
    func piped() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let script = "echo '[rate]\nmax_queue = -1' | \"$0\" check --config /dev/stdin"
        let piped = try await AuditProgram.run("/bin/sh", ["-c", script, Program.path])
        #expect(piped.status == 78 && piped.errors.contains("rate.max_queue"), "\(piped.errors)")
        let named = try await AuditProgram.run(
            "/bin/sh",
            ["-c", "mkfifo \"$1\" && exec \"$0\" check --config \"$1\"", Program.path, folder.path + "/pipe"])
        #expect(named.status == 78 && named.errors.contains("no regular file"), "\(named.errors)")
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
        _ flags: [String] = [], output: Int32? = nil, closed: Bool = false,
        _ body: (Simulator, Program) async throws -> Void
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
        let program = try Program(arguments, output: output, closed: closed)
        try await body(simulator, program)
        await simulator.stop()
    }
}
