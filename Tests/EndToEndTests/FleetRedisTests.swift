// Real processes that share a real redis-server: what upstream sees of them together, and what they show and tell.

import Glibc
import Synchronization
import TestSupport
import Testing

@Suite(
    .timeLimit(.minutes(4)), .enabled(if: RedisProcess.isInstalled, "redis-server is not installed"),
    .enabled(if: Program.isBuilt))
struct FleetRedisTests {
    private static let windows = #"rate.windows=["60/2s"]"#
    private static let uncached = "cache.enabled=false"
    private static let list = "\(Path.iTwin)/reports"

    /// A fleet, and its engine, which a test may replace at the same port.
    private func withFleet(
        _ script: @escaping LimitedOrigin.Script = { _, _ in ok },
        _ body: (FleetRig, RedisProcess, _ engine: String) async throws -> Void
    ) async throws {
        let rig = try FleetRig(script)
        defer { rig.end() }
        let server = try await RedisProcess()
        defer { server.end() }
        try await body(rig, server, "fleet.engine=redis://127.0.0.1:\(server.port)")
    }

    enum Fault: CaseIterable { case nothing, emptyEngine, deadMember }

    @Test(
        "two processes never exceed the one limit, whatever befalls the engine or one of them",
        arguments: Fault.allCases)
    func neverOver(fault: Fault) async throws {
        try await withFleet { rig, server, engine in
            let flags = [Self.windows, Self.uncached, engine]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (first, second) = (MovingPort(try await one.port()), try await two.port())
            async let some = rig.load({ first.now }, connections: 6, for: .seconds(6))
            async let others = rig.load({ second }, connections: 6, for: .seconds(6))
            try await Task.sleep(for: .seconds(2))
            var last = (program: one, server: server)
            switch fault {
            case .nothing: break
            case .emptyEngine:
                server.end()
                last.server = try await RedisProcess(port: server.port)
            case .deadMember:
                kill(one.process, SIGKILL)
                last.program = try rig.start("one", flags)
                first.move(to: try await last.program.port())
            }
            let statuses = await some.merging(others, uniquingKeysWith: +)
            // 15 ms is what arrivals of one host may come closer than they were sent.
            #expect(rig.origin.most(in: .milliseconds(1985)) <= 60)
            #expect(rig.origin.count > 90, "goodput")
            #expect(statuses[429] == nil && statuses[503] == nil, "no tool was refused: \(statuses)")
            #expect(try await last.program.end() == 0)
            #expect(try await two.end() == 0)
            last.server.end()
        }
    }

    @Test(
        "a page deleted through one is not shown by the other once the delete was answered; without the engine none is")
    func deleted() async throws {
        try await withFleet { _, request in
            request.requestLine.hasPrefix("POST")
                ? json("{}", status: "202 Accepted") : json(#"{"reports":[{"id":"a","status":"2"}],"count":1}"#)
        } _: { rig, server, engine in
            // So that a member that is cut off has a share to fetch pages by.
            let flags = ["cache.ttl_list=1h", "audit.snapshot=false", #"rate.windows=["5000/1s"]"#, engine]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (first, second) = (try await one.port(), try await two.port())
            for round in 1...20 {
                try await FleetRig.soon("a hit") {
                    try await FleetRig.get(Self.list, second)["Cache-Status"]?.contains("hit") == true
                }
                let answer = try await FleetRig.call(
                    "POST", Path.deletion, first, body: #"{"jobs":["a"],"operation":"delete"}"#)
                #expect(answer.status == 202)
                let after = try await FleetRig.get(Self.list, second)
                #expect(after["Cache-Status"]?.contains("hit") == false, "round \(round)")
            }
            try await FleetRig.soon("a hit") {
                try await FleetRig.get(Self.list, second)["Cache-Status"]?.contains("hit") == true
            }
            server.signal(SIGSTOP)
            try await FleetRig.soon("no page is shown") {
                let status = try await FleetRig.get(Self.list, second)["Cache-Status"] ?? ""
                return !status.contains("hit") && status.contains("fleet-cut")
            }
            server.signal(SIGCONT)
            try await FleetRig.soon("pages are shown again") {
                try await FleetRig.get(Self.list, second)["Cache-Status"]?.contains("hit") == true
            }
            for program in [one, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a pause told to one stops the other")
    func pause() async throws {
        try await withFleet { number, _ in
            number == 1 ? tooMany("30") : ok
        } _: { rig, _, engine in
            let flags = [Self.uncached, "rate.max_wait=300ms", engine]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (first, second) = (try await one.port(), try await two.port())
            #expect(try await FleetRig.get(Self.list, first).status == 429)
            _ = try await two.logged("pause by upstream begins")
            #expect(try await FleetRig.get(Self.list, second).status == 429)
            #expect(rig.origin.count == 1, "upstream was not asked by the second")
            for program in [one, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a budget of deletes is the fleet's, and what cannot be asked for is not deleted")
    func budget() async throws {
        try await withFleet { _, _ in
            json("{}", status: "202 Accepted")
        } _: { rig, server, engine in
            let flags = ["audit.delete_budget=3/1h", "audit.snapshot=false", engine]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let ports = [try await one.port(), try await two.port()]
            func delete(_ number: Int) async throws -> RawResponse {
                try await FleetRig.call(
                    "POST", Path.deletion, ports[number % 2], body: #"{"jobs":["a\#(number)"],"operation":"delete"}"#)
            }
            var statuses: [Int] = []
            for number in 0..<4 { statuses.append(try await delete(number).status) }
            #expect(statuses == [202, 202, 202, 429])
            server.end()
            let refused = try await delete(5)
            #expect(refused.status == 503 && refused.text.contains("FleetUnavailable"), "\(refused.text)")
            for program in [one, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test(
        "an engine that is not there, wants a password or may forget is named, with what to do; calls go by their share"
    )
    func degraded() async throws {
        try await withFleet { rig, server, _ in
            let folder = rig.folder.path
            let wanted = try await RedisProcess(["--requirepass", "open sesame"])
            defer { wanted.end() }
            let forgets = try await RedisProcess(["--maxmemory-policy", "allkeys-lru"])
            defer { forgets.end() }
            let file = folder + "/password"
            let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
            _ = Array("wrong\n".utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            close(descriptor)
            let nobody = server.port
            server.end()
            let cases: [(flags: [String], words: String)] = [
                (["fleet.engine=redis://127.0.0.1:\(nobody)"], "cannot be reached"),
                (["fleet.engine=redis://127.0.0.1:\(wanted.port)"], "fleet.password_file"),
                (
                    ["fleet.engine=redis://127.0.0.1:\(wanted.port)", "fleet.password_file=\(file)"],
                    "refuses the user or password"
                ),
                (["fleet.engine=redis://127.0.0.1:\(forgets.port)"], "set it to noeviction"),
            ]
            for (flags, words) in cases {
                let program = try rig.start("one", [#"rate.windows=["5000/1s"]"#, Self.uncached] + flags)
                let (port, admin) = (try await program.port(), try await program.port("admin"))
                try await FleetRig.soon("by its share") { try await FleetRig.get(Self.list, port).status == 200 }
                let ready = try await FleetRig.get("/readyz", admin)
                #expect(
                    ready.status == 200 && ready.text.contains("degraded") && ready.text.contains(words),
                    "\(ready.text)")
                #expect(try await FleetRig.get("/metrics", admin).text.contains("clash_proxy_fleet_cut 1"))
                #expect(!program.lines.contains { $0.contains("sesame") || $0.contains("wrong\n") })
                #expect(try await program.end() == 0)
            }
        }
    }
}
