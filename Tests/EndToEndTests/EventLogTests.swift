// What befalls the proxy as a whole stands in the application log: once when it begins, once when it is over.

import FoundationEssentials
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct EventLogTests {
    private func count(_ rig: Rig, _ parts: String...) -> Int {
        rig.applicationLog.lines.count { line in parts.allSatisfy { line.contains($0) } }
    }

    @Test("a pause is told when it begins, with its end, width, cause and request, and when it is over; once each")
    func pause() async throws {
        try await withLimits { rig, origin async throws in
            origin.become { number, _ in number == 1 ? tooMany("60", naming: "Operation") : ok }
            var clients: [RawClient] = []
            for index in 0..<3 {
                clients.append(try await rig.begin("GET", Path.tests, [("x-correlation-id", "p-\(index)")]))
                try await rig.waitForQueue(index + 1)
            }
            for index in 0..<31 {
                let hurried = [("Prefer", "wait=0"), ("x-correlation-id", "hurried-\(index)")]
                #expect(try await rig.get(Path.tests, hurried).status == 429)
            }
            let begun = try await rig.applicationLog.line(with: "warning pause by upstream begins")
            for part in ["scope: operation:v2.tests.list", "cause: operation", "id: p-", "seconds: 6", "until: 20"] {
                #expect(begun.replacing("\"", with: "").contains(part), "\(part) in \(begun)")
            }
            #expect(count(rig, "pause by upstream begins") == 1)
            #expect(count(rig, "pause by upstream is over") == 0)
            rig.clock.advance(by: .seconds(62))
            let over = try await rig.applicationLog.line(with: "notice pause by upstream is over")
            #expect(over.contains("operation:v2.tests.list") && over.contains("p-"), "\(over)")
            try await rig.pass(.seconds(10), step: .milliseconds(500))
            for client in clients { _ = try await client.answer() }
            #expect(count(rig, "pause by upstream begins") == 1 && count(rig, "pause by upstream is over") == 1)
        }
    }

    @Test("a pause that the file of the fleet remembers is told at the start")
    func rememberedPause() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (path, clock) = (folder.path + "/gate", ShiftedClock(isFrozen: true))
        for isFirst in [true, false] {
            let server = LimitedOrigin(clock) { _, _ in tooMany("900") }
            defer { server.server.stop() }
            try await withRig { options in
                options.clock = clock
                options.origin = server.server
                options.flags = ["fleet.engine=file:\(path)"]
            } _: { rig async throws in
                if isFirst { #expect(try await rig.isHeld(Path.tests)) }
                let line = try await rig.applicationLog.line(with: "pause by upstream begins")
                #expect(line.contains("another-process") != isFirst, "\(line)")
                _ = try await rig.admin("/status.json")
            }
        }
    }

    @Test("upstream that cannot be reached five times in a row is told as down, and as back with the first look")
    func upstreamDown() async throws {
        let server = origin(always: ok)
        try await withRig(origin: server, flags: ["upstream.connect_timeout=2s"]) { rig async throws in
            #expect(try await rig.get("/clashdetection/tests").status == 200)
            server.stop()
            try await eventually("closed") { server.isClosed }
            for index in 0..<8 {
                let answer = try await rig.call(
                    "POST", "/clashdetection/tests", [("x-correlation-id", "d-\(index)")], body: "{}")
                #expect(answer.status == 502)
                // Each makes three attempts, until it is known to be down.
                #expect(count(rig, "upstream is down") == (index < 1 ? 0 : 1), "after \(index + 1)")
            }
            let down = try await rig.applicationLog.line(with: "error upstream is down")
            #expect(down.contains("d-1") && down.contains("unreachable"), "\(down)")
            let again = ScriptedOrigin(port: server.port) { connection in
                while true {
                    _ = try connection.readRequest()
                    try connection.send(ok)
                }
            }
            defer { again.stop() }
            rig.clock.advance(by: .seconds(30))
            let back = try await rig.applicationLog.line(with: "notice upstream is back")
            #expect(back.contains("down_s"), "\(back)")
            #expect(try await rig.get("/clashdetection/tests").status == 200)
            #expect(count(rig, "upstream is down") == 1 && count(rig, "upstream is back") == 1)
        }
    }

    @Test("a token endpoint that cannot be reached is told as that, not as a refusal, and so is its return")
    func tokenEndpoint() async throws {
        try await withRig { rig async throws in
            #expect(try await rig.get(rig.list).status == 200)
            rig.simulator.inject(.reset, where: .token, times: nil)
            rig.clock.advance(by: .seconds(3_400))
            let gone = try await rig.applicationLog.line(with: "warning token endpoint could not be reached")
            #expect(gone.contains("endpoint_unreachable"), "\(gone)")
            #expect(!rig.applicationLog.text.contains("token refused"))
            rig.simulator.clearFaults()
            rig.clock.advance(by: .seconds(31))
            let back = try await rig.applicationLog.line(with: "notice token endpoint is back")
            #expect(back.contains("failures"), "\(back)")
        }
    }

    @Test("an audit log that breaks is told once, and when it is mended")
    func auditLog() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "a").status == 204)
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            for index in 1..<4 { #expect(try await rig.deleteRun(reports[index], id: "b\(index)").status == 503) }
            let line = try await rig.applicationLog.line(with: "error audit log cannot be written")
            #expect(line.contains("cause"), "\(line)")
            try broken.mend()
            try await rig.untilDeletesWork()
            _ = try await rig.applicationLog.line(with: "notice audit log is written again")
            #expect(count(rig, "audit log cannot be written") == 1 && count(rig, "audit log is written again") == 1)
        }
    }

    @Test("a limit of ours that refuses is told once a minute for each kind, with how many it refused")
    func refusals() async throws {
        try await withLimits(["rate.windows=1/1h", "listen.max_body_bytes=1KiB"]) { rig, _ async throws in
            try await rig.spendBurst()
            for _ in 0..<20 { #expect(try await rig.isHeld(Path.tests)) }
            let big = String(repeating: "x", count: 2_000)
            #expect(try await rig.call("POST", Path.tests, body: "\"\(big)\"").status == 413)
            _ = try await rig.applicationLog.line(with: "warning a limit refuses calls", "deadline", "calls")
            _ = try await rig.applicationLog.line(with: "warning a limit refuses calls", "body-too-large")
            #expect(count(rig, "a limit refuses calls", "deadline") == 1)
            rig.clock.advance(by: .seconds(60))
            // Nobody has to call for it: the minute is over.
            let more = try await rig.applicationLog.line(with: "warning a limit refused more calls", "deadline")
            #expect(more.contains("\"calls\": 20"), "\(more)")
            #expect(try await rig.isHeld(Path.tests))
            #expect(count(rig, "a limit refused more calls") == 1)
            _ = await rig.drain()
            #expect(count(rig, "a limit refused more calls", "deadline") == 2, "the end of the process tells the rest")
        }
    }

    @Test("a tier that allows less than rate.windows is told once")
    func tier() async throws {
        try await withRig { options in
            options.simulator.tier = "iTwin Platform Community"
            options.flags = ["rate.windows=5000/1m"]
        } _: { rig async throws in
            for _ in 0..<3 { #expect(try await rig.get(rig.list).status == 200) }
            let line = try await rig.applicationLog.line(with: "warning rate.windows allow more than upstream's tier")
            #expect(line.contains("Community") && line.contains("5000/1m"), "\(line)")
            #expect(count(rig, "upstream's tier") == 1)
        }
    }
}
