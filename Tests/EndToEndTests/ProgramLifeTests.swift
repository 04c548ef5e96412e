// What a supervisor sees of the program while it runs: SIGHUP, the service manager's socket, and how it ends under load.

import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct ProgramLifeTests {
    @Test("SIGHUP takes the file as it is now: the log's level, and a bad file's every mistake")
    func hangUp() async throws {
        try await withProgram { _, file, program in
            _ = try await program.port()
            try file.write("[log]\nlevel = \"warning\"\n")
            program.hangUp()
            try await program.said("changed=log.level")
            // Taken like the one before, and not worth a line at this level.
            #expect(try await Self.post("/reload", to: program.port("admin")) == 200)
            #expect(program.lines.count { $0.contains("configuration taken") } == 2, "at the start, and the first time")
            try file.write("[log]\nlevel = \"loud\"\n[rate]\nmax_queue = -1\n")
            program.hangUp()
            for part in ["log.level", "rate.max_queue", "configuration refused"] { try await program.said(part) }
            try file.write("[log]\nlevel = \"info\"\nformat = \"json\"\n")
            program.hangUp()
            _ = try await program.logged("\"message\":\"configuration taken\"")
            #expect(try await program.end() == 0)
            #expect(try await program.logged("\"message\":\"draining\"").hasPrefix("{"))
        }
    }

    @Test("SIGHUP while it starts is not the end of it")
    func earlyHangUp() async throws {
        try await withProgram { _, _, program in
            // Before its own first line nothing can be done about it.
            for _ in 0..<5_000 where !program.catchesHangUp { try await Task.sleep(for: .milliseconds(1)) }
            #expect(program.catchesHangUp)
            for _ in 0..<200 {
                program.hangUp()
                try await Task.sleep(for: .milliseconds(1))
            }
            _ = try await program.port()
            #expect(try await program.end() == 0)
        }
    }

    @Test("the service manager hears of start, reload, health and end", arguments: [true, false])
    func serviceManager(isAbstract: Bool) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let name = isAbstract ? "@clash-proxy-e2e-\(UInt64.random(in: 0 ... .max))" : folder.path + "/notify"
        let socket = try DatagramSocket(name)
        /// The next that is no beat.
        func next() async throws -> String {
            for _ in 0..<1_000 {
                let news = try await socket.receive()
                if news != "WATCHDOG=1" { return news }
            }
            return "nothing but beats"
        }
        try await withProgram(variables: ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"]) { _, file, program in
            #expect(try await next().hasPrefix("READY=1\nSTATUS=listening on http://127.0.0.1:"))
            for _ in 0..<3 {
                while try await socket.receive() != "WATCHDOG=1" {}
            }
            try file.write("[rate]\nmax_queue = 7\n")
            program.hangUp()
            #expect(try await next().hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
            #expect(try await next() == "READY=1")
            try file.write("[rate]\nmax_queue = -7\n")
            program.hangUp()
            #expect(try await next().hasPrefix("RELOADING=1\n"))
            #expect(try await next() == "READY=1", "it goes on as before")
            program.signal()
            #expect(try await next().hasPrefix("STOPPING=1"))
            #expect(try await program.exitStatus() == 0)
        }
    }

    @Test("POST /quit is SIGTERM: 0 when all is finished, and 75 for a second one while something runs")
    func quit() async throws {
        try await withProgram(["--set", "shutdown.drain_timeout=300s"]) { simulator, _, program in
            let admin = try await program.port("admin")
            #expect(try await Self.post("/quit", to: admin) == 202)
            #expect(try await program.exitStatus() == 0)
        }
        try await withProgram(["--set", "shutdown.drain_timeout=300s"]) { simulator, _, program in
            simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let (tools, admin) = (try await program.port(), try await program.port("admin"))
            let client = try RawClient(port: tools)
            defer { client.close() }
            try await client.send("GET \(Self.list(simulator)) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(await simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            #expect(try await Self.post("/quit", to: admin) == 202)
            try await program.said("draining")
            #expect(try await Self.post("/quit", to: admin) == 202)
            #expect(try await client.response().status == 503)
            #expect(try await program.exitStatus() == 75)
        }
    }

    @Test("SIGTERM under slow calls loses none, in whatever phase each of them is; so does SIGHUP")
    func slowCalls() async throws {
        // One waits in the gate, some are upstream, some are still being asked for.
        let flags = ["rate.max_in_flight=4", "upstream.max_connections=4", "shutdown.ready_delay=300ms"]
        try await withProgram(flags.flatMap { ["--set", $0] }, latency: .milliseconds(400)) {
            simulator, file, program in
            let port = try await program.port()
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let client = try RawClient(port: port)
                        defer { client.close() }
                        let target = "\(Self.list(simulator))?$top=\(number + 1)"
                        let lines = ["GET \(target) HTTP/1.1", "Host: localhost", "Cache-Control: no-store"]
                        return try await client.exchange(lines.joined(separator: "\r\n") + "\r\n\r\n").status
                    }
                }
                #expect(await simulator.waitForRequests(4, where: RequestFilter(target: "/reports")))
                try file.write("[rate]\nmax_queue = 99\n")
                program.hangUp()
                try await program.said("configuration taken changed=")
                program.signal()
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 200, count: 12))
            #expect(try await program.exitStatus() == 0)
        }
    }

    private static func list(_ simulator: Simulator) -> String {
        "/clash-detection/itwins/\(simulator.iTwinIDs[0])/reports"
    }

    private static func post(_ path: String, to port: Int) async throws -> Int {
        let client = try RawClient(port: port)
        defer { client.close() }
        return try await client.exchange("POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status
    }

    /// The program's configuration file.
    private struct File: Sendable {
        let path: String

        func write(_ text: String) throws {
            guard let file = fopen(path, "w") else { throw RawClient.Trouble(description: "cannot write \(path)") }
            fputs(text, file)
            fclose(file)
        }
    }

    private func withProgram(
        _ flags: [String] = [], variables: [String: String] = [:], latency: Duration = .zero,
        _ body: (Simulator, File, Program) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var world = SimulatorConfiguration()
        world.latency = latency
        let simulator = Simulator(world)
        let upstream = try await simulator.start()
        let file = File(path: folder.path + "/proxy.conf")
        try file.write("")
        let settings = [
            "listen.address=127.0.0.1:0", "admin.address=127.0.0.1:0", "upstream.url=\(upstream.apiURL)",
            "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(folder.path)/audit",
        ]
        let arguments = ["serve", "--config", file.path] + settings.flatMap { ["--set", $0] } + flags
        let program = try Program(arguments, variables: variables)
        try await body(simulator, file, program)
        await simulator.stop()
    }
}
