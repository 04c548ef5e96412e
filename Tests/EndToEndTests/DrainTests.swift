// The end in its phases: not ready and still serving, then no new connections and what runs, then what is broken off.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct DrainTests {
    @Test("for shutdown.ready_delay it is not ready, and takes and answers everything; then it closes")
    func readyDelay() async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
            options.flags = ["shutdown.ready_delay=5s", "shutdown.drain_timeout=60s"]
        } _: { rig async throws in
            #expect(try await rig.admin("/readyz").status == 200)
            let kept = try rig.connect()
            #expect(try await kept.exchange(rig.request("GET", rig.list)).status == 200)
            let idle = try rig.connect()
            #expect(try await idle.exchange(rig.request("GET", "/nowhere")).status == 404)
            let drained = Task { await rig.drain() }
            try await eventually("not ready at once") { rig.sidecar.notReadyReasons == ["shutting down"] }
            let ready = try await rig.admin("/readyz")
            #expect(ready.status == 503 && ready.text.contains("shutting down"))
            rig.clock.advance(by: .milliseconds(4_999))
            let answer = try await kept.exchange(rig.request("GET", rig.list))
            #expect(answer.status == 200 && answer["Connection"] == nil, "kept alive")
            #expect(try await rig.get(rig.list).status == 200, "a new connection")
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: "/reports"))
            try await kept.send(rig.request("GET", rig.list))
            #expect(await rig.simulator.waitForRequests(4, where: RequestFilter(target: "/reports")))
            rig.clock.advance(by: .milliseconds(1))
            #expect(try await idle.readToEnd().isEmpty, "connections are told, and it accepts no more")
            #expect(throws: RawClient.Trouble.self) { try rig.connect() }
            idle.close()
            rig.simulator.releaseHeld()
            let last = try await kept.response()
            #expect(last.status == 200 && last["Connection"] == "close")
            #expect(await drained.value)
            kept.close()
        }
    }

    @Test("a second word ends it at once also while it still serves", arguments: [true, false])
    func hurriedWhileServing(isBusy: Bool) async throws {
        try await withRig { options in
            options.flags = ["shutdown.ready_delay=1h", "shutdown.drain_timeout=1h"]
        } _: { rig async throws in
            rig.simulator.inject(.hang, where: RequestFilter(target: "/reports"))
            let client = try rig.connect()
            if isBusy {
                try await client.send(rig.request("GET", rig.list))
                #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/reports")))
            }
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            #expect(rig.sidecar.endNow() == isBusy)
            #expect(await drained.value != isBusy)
            if isBusy {
                try await client.response().expectError(
                    503, "ShuttingDown", reason: "shutting-down", retryAfter: 1...60)
            }
            client.close()
        }
    }

    @Test("no configuration is taken any more while it ends")
    func noReload() async throws {
        try await withRig { options in
            options.flags = ["shutdown.ready_delay=1h"]
        } _: { rig async throws in
            let drained = Task { await rig.drain() }
            try await eventually("draining") { rig.sidecar.notReadyReasons.contains("shutting down") }
            let answer = try await rig.operate("POST", "/reload")
            #expect(answer.status == 409 && answer.text.contains("shutting down"))
            _ = rig.sidecar.endNow()
            #expect(await drained.value)
        }
    }

    @Test("what start-up settles of an earlier process ends with the drain, and stays for the next one")
    func settling() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: "/runs/"))
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let id = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let client = try rig.connect()
            try await client.send(
                rig.request("DELETE", "/clashdetection/runs/\(id)", [("x-correlation-id", "open-1")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "DELETE")))
            // The log as a crash would leave it now.
            let copied = try await AuditProgram.run(
                "/bin/cp", ["-r", rig.folder.path + "/audit", rig.folder.path + "/copy"])
            #expect(copied.status == 0)
            rig.simulator.inject(.hang, where: RequestFilter(method: "GET", target: "/runs/"), times: nil)
            let another = try await rig.startAnother(audit: "copy")
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "GET", target: "/runs/")))
            #expect(await another.sidecar.drain(), "nothing of a tool's was broken off")
            #expect(try rig.story(of: "open-1", in: rig.folder.path + "/copy") == ["intent"])
            rig.simulator.releaseHeld()
            client.close()
        }
    }
}
