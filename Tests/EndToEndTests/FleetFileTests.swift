// Real processes that share a file: what upstream sees of them together, and what they tell.

import FoundationEssentials
import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3)), .enabled(if: Program.isBuilt)) struct FleetFileTests {
    private static let windows = #"rate.windows=["60/2s"]"#
    private static let uncached = "cache.enabled=false"

    private func withFleet(
        _ script: @escaping LimitedOrigin.Script = { _, _ in ok }, _ body: (FleetRig) async throws -> Void
    ) async throws {
        let rig = try FleetRig(script)
        defer { rig.end() }
        try await body(rig)
    }

    @Test("two processes never exceed the one limit, while one is killed and started anew and the other is stopped")
    func neverOver() async throws {
        try await withFleet { rig in
            let flags = [Self.windows, Self.uncached]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (first, second) = (MovingPort(try await one.port()), MovingPort(try await two.port()))
            async let some = rig.load({ first.now }, connections: 6, for: .seconds(7))
            async let others = rig.load({ second.now }, connections: 6, for: .seconds(7))
            try await Task.sleep(for: .seconds(2))
            kill(one.process, SIGKILL)
            let again = try rig.start("one", flags)
            first.move(to: try await again.port())
            kill(two.process, SIGSTOP)
            try await Task.sleep(for: .seconds(1))
            kill(two.process, SIGCONT)
            let statuses = await some.merging(others, uniquingKeysWith: +)
            // 15 ms is what arrivals of one host may come closer than they were sent.
            #expect(rig.origin.most(in: .milliseconds(1985)) <= 60)
            #expect(rig.origin.count > 120, "goodput")
            #expect(statuses[429] == nil && statuses[503] == nil, "no tool was refused: \(statuses)")
            #expect(try await again.end() == 0)
            #expect(try await two.end() == 0)
        }
    }

    @Test("windows hold over a crash loop of one process alone, without a pause at each start")
    func crashLoop() async throws {
        try await withFleet { rig in
            let flags = [Self.windows, Self.uncached]
            let port = MovingPort(0)
            async let statuses = rig.load({ port.now }, connections: 6, for: .seconds(6))
            for _ in 0..<6 {
                let program = try rig.start("one", flags)
                port.move(to: try await program.port())
                try await Task.sleep(for: .milliseconds(500))
                kill(program.process, SIGKILL)
                _ = try await program.exitStatus()
            }
            _ = await statuses
            #expect(rig.origin.most(in: .milliseconds(1985)) <= 60)
            #expect(rig.origin.count >= 60)
        }
    }

    @Test("a pause told to one stops the other, and one that is started later")
    func pause() async throws {
        try await withFleet { number, _ in
            number == 1 ? tooMany("30") : ok
        } _: { rig in
            let flags = [Self.uncached, "rate.max_wait=300ms"]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let target = "\(Path.iTwin)/reports"
            let (first, second) = (try await one.port(), try await two.port())
            #expect(try await FleetRig.get(target, first).status == 429)
            #expect(try await FleetRig.get(target, second).status == 429)
            #expect(rig.origin.count == 1, "upstream was not asked by the second")
            _ = try await two.logged("pause by upstream begins")
            let three = try rig.start("three", flags)
            #expect(try await FleetRig.get(target, try await three.port()).status == 429)
            #expect(rig.origin.count == 1)
            for program in [one, two, three] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a page deleted through one is not shown by the other once the delete was answered")
    func deleted() async throws {
        try await withFleet { _, request in
            request.requestLine.hasPrefix("POST")
                ? json("{}", status: "202 Accepted") : json(#"{"reports":[{"id":"a","status":"2"}],"count":1}"#)
        } _: { rig in
            let flags = ["cache.ttl_list=1h", "audit.snapshot=false"]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (first, second) = (try await one.port(), try await two.port())
            let list = "\(Path.iTwin)/reports"
            // A young file's first deletes wait until nobody can have another one mapped.
            for round in 1...20 {
                #expect(try await FleetRig.get(list, second).status == 200)
                let hit = try await FleetRig.get(list, second)
                #expect(hit["Cache-Status"]?.contains("hit") == true, "\(hit["Cache-Status"] ?? "")")
                let answer = try await FleetRig.call(
                    "POST", Path.deletion, first, body: #"{"jobs":["a"],"operation":"delete"}"#)
                #expect(answer.status == 202)
                let before = rig.origin.count
                let after = try await FleetRig.get(list, second)
                #expect(after["Cache-Status"]?.contains("hit") == false, "round \(round)")
                #expect(rig.origin.count == before + 1, "it was fetched anew")
            }
            for program in [one, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a delete budget holds for both")
    func budget() async throws {
        try await withFleet { _, _ in
            json("{}", status: "202 Accepted")
        } _: { rig in
            let flags = ["audit.delete_budget=3/1h", "audit.snapshot=false"]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let ports = [try await one.port(), try await two.port()]
            var statuses: [Int] = []
            for number in 0..<4 {
                statuses.append(
                    try await FleetRig.call(
                        "POST", Path.deletion, ports[number % 2],
                        body: #"{"jobs":["a\#(number)"],"operation":"delete"}"#
                    ).status)
            }
            #expect(statuses == [202, 202, 202, 429])
            #expect(try await one.end() == 0)
            let again = try rig.start("one", flags)
            let port = try await again.port()
            let late = try await FleetRig.call(
                "POST", Path.deletion, port, body: #"{"jobs":["b"],"operation":"delete"}"#)
            #expect(late.status == 429)
            for program in [again, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a member with other windows, and one too many, do not start: 78, and the key is named")
    func refused() async throws {
        try await withFleet { rig in
            let one = try rig.start("one", [Self.windows, "fleet.max_members=1"])
            _ = try await one.port()
            let other = try rig.start("two", [#"rate.windows=["80/2s"]"#, "fleet.max_members=1"])
            #expect(try await other.exitStatus() == 78)
            #expect(other.lines.contains { $0.contains("rate.windows") && $0.contains("60/2s") }, "\(other.lines)")
            let second = try rig.start("three", [Self.windows, "fleet.max_members=1"])
            #expect(try await second.exitStatus() == 78)
            #expect(second.lines.contains { $0.contains("fleet.max_members") }, "\(second.lines)")
            #expect(try await one.end() == 0)
        }
    }

    @Test("members, windows and being cut off are told to operators; a file that is damaged costs no call its share")
    func operators() async throws {
        try await withFleet { rig in
            let flags = [#"rate.windows=["500/1s"]"#, Self.uncached, "fleet.max_members=2"]
            let (one, two) = (try rig.start("one", flags), try rig.start("two", flags))
            let (port, admin) = (try await one.port(), try await one.port("admin"))
            _ = try await two.port()
            #expect(try await FleetRig.get("\(Path.iTwin)/reports", port).status == 200)
            try await FleetRig.soon("both are known") {
                try await FleetRig.get("/metrics", admin).text.contains("clash_proxy_fleet_members 2")
            }
            let status = try await FleetRig.get("/status.json", admin).text
            #expect(status.contains(#""name":"two""#) && status.contains(#""engine":"file:"#), "\(status)")
            #expect(try await FleetRig.get("/readyz", admin).text.contains("\"ready\""))
            #expect(truncate(rig.file, 100) == 0)
            truncate(rig.file + "-wal", 0)
            _ = try await one.logged("cut off from the fleet")
            let ready = try await FleetRig.get("/readyz", admin)
            #expect(ready.status == 200 && ready.text.contains("degraded") && ready.text.contains("fleet.db"))
            #expect(try await FleetRig.get("/metrics", admin).text.contains("clash_proxy_fleet_cut 1"))
            try await FleetRig.soon("by its share") {
                try await FleetRig.get("\(Path.iTwin)/reports", port).status == 200
            }
            for program in [one, two] { #expect(try await program.end() == 0) }
        }
    }

    @Test("a tail that was cut off one log is proven by the other's")
    func witnessed() async throws {
        try await withFleet { _, _ in
            json("{}", status: "202 Accepted")
        } _: { rig in
            let (one, two) = (try rig.start("one", ["audit.snapshot=false"]), try rig.start("two"))
            let port = try await one.port()
            _ = try await two.port()
            let answer = try await FleetRig.call(
                "POST", Path.deletion, port, body: #"{"jobs":["a"],"operation":"delete"}"#)
            #expect(answer.status == 202)
            // Heads are exchanged on leaving too.
            #expect(try await one.end() == 0)
            #expect(try await two.end() == 0)
            let (log, other) = ("\(rig.folder.path)/audit-one", "\(rig.folder.path)/audit-two")
            func verify() async throws -> AuditProgram.Result {
                try await AuditProgram.run(["audit", "verify", "--path", log, "--with", other])
            }
            let whole = try await verify()
            #expect(whole.status == 0 && whole.output.contains("seen by"), "\(whole)")
            let file = try #require(
                try FileManager.default.contentsOfDirectory(atPath: log).first {
                    $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl")
                })
            let path = "\(log)/\(file)"
            let lines = try String(contentsOf: URL(filePath: path), encoding: .utf8).split(separator: "\n")
            // All of it but how it began: a chain that is whole in itself.
            try Data((try #require(lines.first) + "\n").utf8).write(to: URL(filePath: path))
            let cut = try await verify()
            #expect(cut.status == 1 && cut.output.contains("cut or replaced"), "\(cut)")
        }
    }

    @Test("rate.state_file is a mistake that names fleet.engine")
    func stateFile() async throws {
        let program = try Program(["serve", "--set", "rate.state_file=/tmp/x", "--set", "token.client_id=a"])
        // Waited for: the end of the process may be seen before its last words.
        _ = try await program.logged("rate.state_file")
        _ = try await program.logged("[fleet] engine")
        #expect(try await program.exitStatus() == 78)
    }
}
