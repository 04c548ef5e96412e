// Copies of the audit log on their way to somebody else: all, in order, byte for byte, through everything that goes wrong.

import FoundationEssentials
import Glibc
import Ground
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct AuditSinkTests {
    /// All lines of the log.
    private func log(_ folder: String) throws -> [String] { try AuditLogFile.lines(folder).map(\.text) }

    /// So long that a few records fill a file.
    private let why = ("X-Audit-Reason", String(repeating: "because ", count: 3_500))

    private func deletes(_ rig: Rig, _ count: Int) async throws {
        for index in 0..<count { _ = try await rig.deleteRun("none-\(index)", id: "c-\(index)", [why]) }
    }

    private func metric(_ rig: Rig, _ sink: String) async throws -> Int? {
        let lag = "clash_proxy_audit_sink_lag_records{sink=\"\(sink)\"} "
        let text = try await rig.admin("/metrics").text
        return text.split(separator: "\n").first { $0.hasPrefix(lag) }.flatMap { Int($0.dropFirst(lag.count)) }
    }

    /// Waits until the metrics say that it has been sent all.
    private func caughtUp(_ rig: Rig, _ sink: String) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await metric(rig, sink) != 0 { try #require(ContinuousClock.now < deadline) }
    }

    /// Resets the first connection after this; reads the others to their end.
    private func breakingFirst(after first: @escaping ScriptedOrigin.Script) -> ScriptedOrigin {
        ScriptedOrigin { connection in
            if connection.index > 0 {
                connection.readUntilClosed()
            } else {
                try first(connection)
                connection.reset()
            }
        }
    }

    /// What the connections behind the first have brought, once the whole log is there.
    private func allOfSecond(_ rig: Rig, _ origin: ScriptedOrigin) async throws -> [String] {
        try await eventually("all are there") {
            rig.clock.advance(by: .seconds(1))
            let lines = try log(rig.auditFolder)
            return origin.connections.dropFirst().contains { SinkServer.messages($0.received).last == lines.last }
        }
        return origin.connections.dropFirst().flatMap { SinkServer.messages($0.received) }
    }

    /// What was seen first of each record, in the order in which it was.
    private func firsts(_ messages: [String]) -> [String] {
        var seen: Set<String> = []
        return messages.filter { seen.insert($0).inserted }
    }

    @Test("syslog over TCP gets every record in order and byte for byte, over rotated files, to the last")
    func stream() async throws {
        let server = try await SinkServer()
        var (lines, folder) = ([String](), "")
        try await withRig { options in
            options.file = sink("siem", "tcp://127.0.0.1:\(server.port)")
            options.flags = ["audit.rotate_bytes=64KiB"]
        } _: { rig async throws in
            try await deletes(rig, 5)
            try await eventually("all are there") { try server.messages == log(rig.auditFolder) }
            try await caughtUp(rig, "siem")
            #expect(try FileManager.default.contentsOfDirectory(atPath: rig.auditFolder).count > 5)
            folder = rig.auditFolder
            _ = await rig.drain()
            lines = try log(folder)
            try await eventually("closed has come") { server.messages == lines }
            let position = try String(contentsOfFile: folder + "/sink-siem.position", encoding: .utf8)
            #expect(position.contains("\"seq\":\(lines.count),"), "a peer that closes in good order has read all")
            #expect(permissions(of: folder + "/sink-siem.position") == 0o600)
        }
        #expect(lines.last?.contains("\"event\":\"closed\"") == true)
        try await server.stop()
    }

    @Test("a sink that is down delays nothing and loses nothing: it gets all when it is back, and both are told")
    func down() async throws {
        let placeholder = try await SinkServer()
        let port = placeholder.port
        try await placeholder.stop()
        try await withRig { options in
            options.file = sink("siem", "tcp://127.0.0.1:\(port)")
        } _: { rig async throws in
            try await deletes(rig, 4)
            try await eventually("it is told") { rig.applicationLog.text.contains("a sink of the audit log is down") }
            #expect(try await metric(rig, "siem") == 9)
            rig.clock.advance(by: .seconds(86_400))
            try await deletes(rig, 1)
            let server = try await SinkServer(port: port)
            rig.clock.advance(by: .seconds(5))
            try await eventually("all are there") { try server.messages == log(rig.auditFolder) }
            try await eventually("it is told") { rig.applicationLog.text.contains("takes records again") }
            try await caughtUp(rig, "siem")

            // Gone again, back again.
            try await server.stop()
            try await deletes(rig, 3)
            let next = try await SinkServer(port: port)
            rig.clock.advance(by: .seconds(5))
            let count = try log(rig.auditFolder).count
            try await eventually("the rest is there") {
                rig.clock.advance(by: .seconds(5))
                return try next.messages.last == log(rig.auditFolder).last
            }
            #expect(try firsts(server.messages + next.messages) == log(rig.auditFolder) && count == 17)
            try await next.stop()
        }
    }

    @Test("what a peer had not read when it went away is sent again")
    func unread() async throws {
        let origin = breakingFirst { _ = try $0.read(until: Array("\"hash\":".utf8)) }
        defer { origin.stop() }
        try await withRig { options in
            options.file = sink("siem", "tcp://127.0.0.1:\(origin.port)")
        } _: { rig async throws in
            try await deletes(rig, 4)
            // From the first on: nobody says that it was read.
            #expect(try await firsts(allOfSecond(rig, origin)) == log(rig.auditFolder))
        }
    }

    @Test("a peer that takes a connection, reads nothing for hours and is killed gets all of it again")
    func hung() async throws {
        let mayDie = Latch()
        let origin = breakingFirst { _ in mayDie.waitBlocking(seconds: 60) }
        defer { origin.stop() }
        try await withRig { options in
            options.file = sink("siem", "tcp://127.0.0.1:\(origin.port)")
        } _: { rig async throws in
            for index in 0..<4 { _ = try await rig.deleteRun("none-\(index)", id: "c-\(index)") }
            try await caughtUp(rig, "siem")
            for _ in 0..<4 {
                rig.clock.advance(by: .seconds(3_600))
                _ = try await rig.deleteRun("none", id: "later")
            }
            try await caughtUp(rig, "siem")
            mayDie.open()
            #expect(try await firsts(allOfSecond(rig, origin)) == log(rig.auditFolder))
        }
    }

    @Test("a peer that breaks every connection after a few records gets all of them in the end")
    func breaking() async throws {
        let origin = ScriptedOrigin { connection in
            for _ in 0..<3 {
                _ = try connection.read(until: Array("\"hash\":\"".utf8))
                try connection.read(exactly: 66)
            }
        }
        defer { origin.stop() }
        try await withRig { options in
            options.file = sink("siem", "tcp://127.0.0.1:\(origin.port)")
        } _: { rig async throws in
            try await deletes(rig, 6)
            let lines = try log(rig.auditFolder)
            try await eventually("all are there") {
                origin.connections.contains { SinkServer.messages($0.received).contains(lines[lines.count - 1]) }
            }
            #expect(firsts(origin.connections.flatMap { SinkServer.messages($0.received) }) == lines)
        }
    }

    @Test(
        "killed and started again, the proxy goes on where its sinks are: nothing is lost and nothing out of order",
        .enabled(if: Program.isBuilt))
    func killed() async throws {
        let server = try await SinkServer()
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let posts = ScriptedOrigin { connection in
            while true {
                let head = try connection.readHead()
                let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length: ") }
                try connection.read(exactly: Int(length?.dropFirst(16) ?? "") ?? 0)
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        defer { posts.stop() }
        try await withRig { rig async throws in
            let settings = [
                "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(rig.upstream.apiURL)",
                "token.token_url=\(rig.upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
                "audit.path=\(folder.path)/audit", "audit.snapshot=false", "audit.rotate_bytes=64KiB",
                "audit_sink=[{name=\"a\",url=\"tcp://127.0.0.1:\(server.port)\"},{name=\"b\",url=\"\(posts.url)/in\"}]",
            ].flatMap { ["--set", $0] }
            for round in 0..<3 {
                var program: Program? = try Program(["serve", "--config", "/dev/null"] + settings)
                let client = try RawClient(port: try await program?.port() ?? 0)
                for index in 0..<4 {
                    let request = rig.request("DELETE", "/clashdetection/runs/none-\(index)", [why])
                    if round < 2, index == 3 {
                        try await client.send(request)
                    } else {
                        _ = try await client.exchange(request, method: "DELETE")
                    }
                }
                if round == 2 { #expect(try await program?.end() == 0) }
                program = nil  // SIGKILL
                client.close()
            }
            let lines = try log(folder.path + "/audit")
            try await eventually("all are there") { server.messages.last == lines.last }
            #expect(firsts(server.messages) == lines)
            let posted = posts.connections.map(\.receivedText).joined().split(whereSeparator: \.isNewline)
                .filter { $0.hasPrefix("{\"seq\"") }.map(String.init)
            #expect(firsts(posted) == lines && posted.count < lines.count * 2)
        }
        try await server.stop()
    }

    @Test("https: JSON lines by POST with the token, by a certificate that ca_file vouches for; any other gets nothing")
    func posts() async throws {
        let files = try TLSFolder()
        defer { files.remove() }
        let server = try await SinkServer(files: files)
        try "s3cr3t-t0ken\n".write(toFile: files.path("token"), atomically: false, encoding: .utf8)
        let posts = ScriptedOrigin { connection in
            let head = try connection.readHead()
            let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length: ") }
            try connection.read(exactly: Int(length?.dropFirst(16) ?? "") ?? 0)
            // The first is refused: all of it comes again.
            try connection.send(
                "HTTP/1.1 \(connection.index == 0 ? 500 : 204) X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        defer { posts.stop() }
        try await withRig { options in
            options.file =
                sink("good", "tls://127.0.0.1:\(server.port)", "ca_file = \"\(files.ca)\"")
                + sink("strange", "tls://127.0.0.1:\(server.port)")
                + sink("other", "https://127.0.0.1:\(server.port)/in")
                + sink("http", posts.url + "/in?x", "token_file = \"\(files.path("token"))\"").replacing("?x", with: "")
        } _: { rig async throws in
            try await deletes(rig, 2)
            try await eventually("all are there") {
                rig.clock.advance(by: .seconds(1))
                return try server.messages == log(rig.auditFolder)
            }
            try await eventually("those without are told") {
                ["strange", "other"].allSatisfy { sink in
                    rig.applicationLog.lines.contains { $0.contains("is down") && $0.contains(sink) }
                }
            }
            #expect(rig.applicationLog.text.contains("not trusted"))
            try await eventually("all are posted") {
                rig.clock.advance(by: .seconds(1))
                return try posts.receivedText.contains(log(rig.auditFolder).last ?? "-")
            }
            let heads = posts.connections.map(\.receivedText)
            #expect(
                heads.allSatisfy { $0.hasPrefix("POST /in HTTP/1.1\r\n") && $0.contains("Bearer s3cr3t-t0ken\r\n") })
            #expect(heads.allSatisfy { $0.contains("application/x-ndjson\r\n") })
            let bodies = heads.dropFirst().flatMap {
                $0.split(separator: "\r\n\r\n").last?.split(separator: "\n") ?? []
            }
            #expect(try bodies.map(String.init) == log(rig.auditFolder))
            #expect(!rig.applicationLog.text.contains("s3cr3t"))
            #expect(server.messages.count == (try log(rig.auditFolder)).count, "the strangers sent nothing")
        }
        try await server.stop()
    }

    @Test("a new sink may begin at the end; a reload adds and takes sinks, and each goes on where it was")
    func reload() async throws {
        let (first, second) = (try await SinkServer(), try await SinkServer())
        let (a, b) = (
            sink("a", "tcp://127.0.0.1:\(first.port)"), sink("b", "tcp://127.0.0.1:\(second.port)", "from = \"end\"")
        )
        try await withRig { options in
            options.file = a
        } _: { rig async throws in
            try await deletes(rig, 2)
            let before = try log(rig.auditFolder)
            try await eventually("a has all") { first.messages == before }
            guard case .taken(let changed, let waiting) = await rig.reload(file: a + b) else {
                Issue.record("not taken")
                return
            }
            #expect(changed.contains("audit_sink") && waiting.isEmpty)
            try await eventually("b is there") {
                FileManager.default.fileExists(atPath: rig.auditFolder + "/sink-b.position")
            }
            try await deletes(rig, 1)
            let after = try log(rig.auditFolder)
            try await eventually("both have it") {
                first.messages == after && second.messages == Array(after[before.count...])
            }
            await rig.reload(file: b)
            try await deletes(rig, 1)
            let last = try log(rig.auditFolder)
            try await eventually("b has it") { second.messages.last == last.last }
            #expect(first.messages == after && second.messages == Array(last[before.count...]))
            await rig.reload(file: a + b)
            // What is left of the end when the machine is busy is sent once more.
            try await eventually("a has what it missed", seen: { ": \(first.messages.map { $0.prefix(12) })" }) {
                firsts(first.messages) == last
            }
        }
        try await first.stop()
        try await second.stop()
    }

    @Test("status and status page say of each sink how far behind it is, and since when it is down")
    func status() async throws {
        let server = try await SinkServer()
        try await withRig { options in
            options.file = sink("good", "tcp://127.0.0.1:\(server.port)") + sink("dead", "tcp://127.0.0.1:1")
        } _: { rig async throws in
            try await deletes(rig, 1)
            try await caughtUp(rig, "good")
            try await eventually("it is told") { rig.applicationLog.text.contains("a sink of the audit log is down") }
            rig.clock.advance(by: .milliseconds(200))
            let status = try #require(JSON(Array(try await rig.admin("/status.json").text.utf8)))
            let sinks = try #require(status["audit"]?["sinks"]?.array)
            #expect(
                sinks.map { $0["name"]?.string } == ["good", "dead"]
                    && sinks.map { $0["state"]?.string } == ["up", "down"])
            #expect(sinks[0]["lag"]?.number == 0 && sinks[1]["lag"]?.number == 3 && sinks[1]["down_seconds"] != nil)
            #expect(sinks[1]["trouble"]?.string == "cannot be reached: connection refused")
            #expect(try await rig.admin("/").text.contains("Copies to "))
            guard Program.isBuilt else { return }
            let printed = try await AuditProgram.run(["status", "--set", "admin.address=127.0.0.1:\(rig.adminPort)"])
                .output
            #expect(
                printed.contains("copies to good: up to date")
                    && printed.contains("copies to dead: 3 records behind; down for "))
        }
        try await server.stop()
    }

    @Test(
        "a sink with another url under its old name goes on where it was, which is told; and what it missed for good as well"
    )
    func moved() async throws {
        let (first, second) = (try await SinkServer(), try await SinkServer())
        try await withRig { options in
            options.file = sink("a", "tcp://127.0.0.1:\(first.port)")
            options.flags = ["audit.rotate_bytes=64KiB"]
        } _: { rig async throws in
            try await deletes(rig, 2)
            try await caughtUp(rig, "a")
            let flags = ["audit.rotate_bytes=64KiB", "audit.keep=24h"]
            await rig.reload(flags, file: sink("b", "tcp://127.0.0.1:\(second.port)"))
            try await eventually("it has ended") {
                FileManager.default.fileExists(atPath: rig.auditFolder + "/sink-a.position")
            }
            try await deletes(rig, 6)
            try await caughtUp(rig, "b")
            // Files go that are older, and that those sinks have which are served.
            await rig.reload(flags, file: "")
            rig.clock.advance(by: .seconds(3 * 86_400))
            try await eventually("files are retired") {
                rig.clock.advance(by: .seconds(3_600))
                return rig.applicationLog.text.contains("are retired (audit.keep)")
            }
            await rig.reload(flags, file: sink("a", "tcp://127.0.0.1:\(second.port)"))
            try await eventually("both are told") {
                let log = rig.applicationLog.text
                return log.contains("has another url, and goes on where it was")
                    && log.contains("lacks records that were retired")
            }
            let gap = try #require(rig.applicationLog.lines.first { $0.contains("lacks records") })
            #expect(gap.contains("first_record") && gap.contains("last_record"), "\(gap)")
        }
        try await first.stop()
        try await second.stop()
    }

    @Test("sinks that are down, or take nothing, hold up the end of the proxy by no more than a second")
    func drain() async throws {
        let silent = ScriptedOrigin { connection in
            _ = connection.waitForRoom(milliseconds: 1)
            try Self.hold()
        }
        defer { silent.stop() }
        try await withRig { options in
            options.file =
                sink("dead", "tcp://127.0.0.1:1") + sink("silent", "tcp://127.0.0.1:\(silent.port)")
                + sink("mute", silent.url + "/in")
        } _: { rig async throws in
            try await deletes(rig, 3)
            let begun = ContinuousClock.now
            #expect(await rig.drain())
            #expect(ContinuousClock.now - begun < .seconds(3), "with all that ends besides")
        }
    }

    /// Longer than a proxy waits.
    private static func hold() throws { sleep(8) }
}
