// A delete whose answer is lost: the object is read, the tool gets the truth or an honest "unknown", and the delete is
// never sent a second time.

import Proxy
import Simulator
import TestSupport
import Testing

@Suite struct AuditSettlingTests {
    @Test(
        "executed, then cut: the tool gets upstream's success, and the log says deleted",
        arguments: [Fault.executeThenClose, .executeThenReset], ["v1", "v2"])
    func executed(fault: Fault, version: String) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(
                fault, where: RequestFilter(method: version == "v1" ? "DELETE" : "POST", target: "/clash"))
            let answer = try await rig.delete(report, version, id: "cut")
            #expect(answer.status == (version == "v1" ? 204 : 202))
            #expect(answer.ending == .complete && (version == "v1" ? answer.body.isEmpty : answer.text == "{}"))
            #expect(answer["Content-Type"] == (version == "v1" ? nil : "application/json"))
            #expect(answer["x-correlation-id"] == "cut" && answer["Cache-Status"]?.contains("settled") == true)
            #expect(try rig.story(of: "cut") == ["intent", "outcome deleted"])
            let outcome = try #require(try rig.records(of: "cut").last?.line)
            #expect(outcome.status == nil && outcome.attempts == 1, "upstream gave no status")
            #expect(!rig.simulator.reportExists(report))
            #expect(rig.deletesSent == 1)
            let line = try await rig.accessLog.line(with: " cut ")
            #expect(line.contains("settled"), "\(line)")
        }
    }

    @Test(
        "no answer and still there proves nothing: 504 that says so, and the log says unknown",
        arguments: [Fault.close, .reset], ["v1", "v2"])
    func notExecuted(fault: Fault, version: String) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(
                fault, where: RequestFilter(method: version == "v1" ? "DELETE" : "POST", target: "/clash"))
            let answer = try await rig.settling { try await rig.delete(report, version, id: "cut") }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(answer.text.contains("still there when last looked at"))
            #expect(try rig.story(of: "cut") == ["intent", "outcome unknown"])
            #expect(rig.simulator.reportExists(report))
            #expect(rig.deletesSent == 1)
        }
    }

    @Test("no answer and no read: 504 OutcomeUnknown, and the log says unknown", arguments: ["v1", "v2"])
    func unknown(version: String) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(
                .executeThenClose, where: RequestFilter(method: version == "v1" ? "DELETE" : "POST", target: "/clash"))
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET"), times: nil)
            let answer = try await rig.settling { try await rig.delete(report, version, id: "lost") }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "lost") == ["intent", "outcome unknown"])
            #expect(rig.deletesSent == 1)
        }
    }

    @Test("a timeout is settled the same way")
    func timeout() async throws {
        try await withRig { options in
            options.flags = ["upstream.first_byte_timeout=300ms"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.executeThenHang, where: RequestFilter(method: "DELETE"))
            #expect(try await rig.deleteRun(report, id: "slow").status == 204)
            #expect(try rig.story(of: "slow") == ["intent", "outcome deleted"])
            #expect(rig.deletesSent == 1)
        }
    }

    @Test("a delete that times out and is still there is 504 OutcomeUnknown: upstream was reached")
    func timeoutStillThere() async throws {
        try await withRig { options in
            options.flags = ["upstream.first_byte_timeout=300ms"]
        } _: { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.hang, where: RequestFilter(method: "DELETE"))
            let answer = try await rig.settling { try await rig.deleteRun(report, id: "slow") }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(answer.text.contains("still there when last looked at"))
            #expect(try rig.story(of: "slow") == ["intent", "outcome unknown"])
            #expect(rig.deletesSent == 1)
        }
    }

    @Test(
        "after a 5xx and still there the tool gets upstream's answer; proved gone it gets what it asked for",
        arguments: [500, 502, 503, 504])
    func serverErrors(status: Int) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            rig.simulator.inject(.answer(status: status, body: "{}"), where: RequestFilter(method: "DELETE"), times: 2)
            let there = try await rig.settling { try await rig.deleteRun(report, id: "there") }
            #expect(there.status == status)
            #expect(try rig.story(of: "there") == ["intent", "outcome unknown"])
            rig.simulator.removeReport(report)
            let gone = try await rig.deleteRun(report, id: "gone")
            #expect(gone.status == 204 && gone.body.isEmpty && gone.ending == .complete)
            #expect(try rig.story(of: "gone") == ["intent", "outcome deleted"])
            #expect(try rig.records(of: "gone").last?.line.status == status)
            #expect(rig.deletesSent == 2, "one for each call of a tool")
        }
    }

    @Test("a deletion of several objects is unknown when only some of them are gone")
    func several() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            rig.simulator.removeReport(reports[0])
            rig.simulator.inject(.close, where: RequestFilter(method: "POST", target: "/clash"))
            let answer = try await rig.settling {
                try await rig.call(
                    "POST", "\(rig.v2)/reports/jobs/deletion", [("x-correlation-id", "two")],
                    body: #"{"jobs":["\#(reports[0])","\#(reports[1])"],"operation":"delete"}"#)
            }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "two") == ["intent", "outcome unknown"])
            #expect(try rig.records(of: "two").first?.line.objects == [reports[0], reports[1]])
        }
    }

    @Test("the report of removed suppressions says nothing about them: their outcome stays unknown")
    func suppressions() async throws {
        try await withRig { rig async throws in
            let headers = [
                ("repository-id", rig.simulator.repositoryIDs(iTwin: rig.iTwin)[0]),
                ("clash-report-id", rig.simulator.reportIDs(iTwin: rig.iTwin)[0]), ("x-correlation-id", "sup"),
            ]
            rig.simulator.inject(.executeThenClose, where: RequestFilter(method: "POST", target: "/clash"))
            let answer = try await rig.call(
                "POST", "\(rig.v2)/manual-suppressions/deletion", headers,
                body: #"{"elementIds":[["0x1","0x2"]],"reason":"r"}"#)
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "sup") == ["intent", "outcome unknown"])
        }
    }

    @Test("what has no read of its own stays unknown: an unknown path, a run in place")
    func unreadable() async throws {
        try await withRig { rig async throws in
            rig.simulator.inject(.close, where: RequestFilter(method: "POST", target: "/clash"), times: nil)
            let deletion = try await rig.call(
                "POST", "\(rig.v2)/models/jobs/deletion", [("x-correlation-id", "odd")], body: #"{"jobs":["m"]}"#)
            deletion.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "odd") == ["intent", "outcome unknown"])
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let run = try await rig.call(
                "POST", "\(rig.v2)/runs/jobs", [("x-correlation-id", "run"), ("In-Place", "Force")],
                body: #"{"jobs":[{"testId":"\#(test)"}],"operation":"run"}"#)
            run.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            #expect(try rig.story(of: "run") == ["intent", "outcome unknown"])
        }
    }

    @Test("a delete that never left is not_sent")
    func notSent() async throws {
        let server = origin(always: ok)
        try await withRig(origin: server) { rig async throws in
            server.stop()
            try await eventually("closed") { server.isClosed }
            let answer = try await rig.call("DELETE", "/clashdetection/runs/x", [("x-correlation-id", "home")])
            answer.expectError(502, "UpstreamUnreachable", reason: "upstream-unreachable", retryAfter: 1...15)
            #expect(try rig.story(of: "home") == ["intent", "outcome not_sent"])
        }
    }

    @Test("a token that is refused once costs a second attempt and no second entry")
    func tokenReplay() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            // A token that is old enough for its refusal to be believed.
            #expect(try await rig.get(rig.list).status == 200)
            rig.clock.advance(by: .seconds(60))
            rig.simulator.inject(.unauthorized(.invalidJWT), where: RequestFilter(method: "DELETE"))
            #expect(try await rig.deleteRun(report, id: "again").status == 204)
            #expect(try rig.story(of: "again") == ["intent", "outcome deleted"])
            #expect(try rig.records(of: "again").last?.line.attempts == 2)
        }
    }

    @Test("a delete refused for its token, with no other token to be had, is refused_upstream and not unknown")
    func refusedToken() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            // A token that is old enough for its refusal to be believed.
            #expect(try await rig.get(rig.list).status == 200)
            rig.clock.advance(by: .seconds(60))
            rig.simulator.inject(.unauthorized(.invalidJWT), where: RequestFilter(method: "DELETE"))
            rig.simulator.inject(.plainText500, where: .token, times: nil)
            let answer = try await rig.deleteRun(report, id: "no-token")
            #expect(answer.status == 503 && rig.simulator.reportExists(report), "\(answer.text)")
            #expect(try rig.story(of: "no-token") == ["intent", "outcome refused_upstream"])
            #expect(try rig.records(of: "no-token").last?.line.status == 401)
        }
    }

    @Test("the reads that settle a delete of several objects are made at once")
    func atOnce() async throws {
        // On a machine that is too busy for 5 seconds both reads may come too late; one after the other they always do.
        var stories: [[String]] = []
        while stories.last != ["intent", "outcome deleted"], stories.count < 4 {
            stories.append(try await storyOfReadsAnsweredTogether())
        }
        #expect(stories.last == ["intent", "outcome deleted"], "\(stories)")
    }

    /// Deletes two objects at an origin that cuts the delete and answers no read before it has both.
    private func storyOfReadsAnsweredTogether() async throws -> [String] {
        let both = Latch()
        let reads = Received()
        let server = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                guard request.requestLine.hasPrefix("GET ") else { return }
                if reads.add(request) == 2 { both.open() }
                both.waitBlocking()
                try connection.send(json("{}", status: "404 Not Found"))
            }
        }
        var story: [String] = []
        try await withRig(origin: server) { rig async throws in
            _ = try await rig.call(
                "POST", "/clash-detection/itwins/i/reports/jobs/deletion", [("x-correlation-id", "both")],
                body: #"{"jobs":["r-1","r-2"],"operation":"delete"}"#)
            story = try rig.story(of: "both")
        }
        return story
    }

    @Test("a tool that leaves after sending leaves a whole entry behind", arguments: [Fault.executeThenHang, .hang])
    func left(fault: Fault) async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            rig.simulator.inject(fault, where: RequestFilter(method: "DELETE"))
            let client = try rig.connect()
            try await client.send(rig.request("DELETE", "/clashdetection/runs/\(run)", [("x-correlation-id", "left")]))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "DELETE")))
            client.close()
            // Its connection's end is noticed while upstream is still silent.
            #expect(try await rig.get("/clashdetection/tests?projectId=\(rig.iTwin)").status == 200)
            #expect(try rig.story(of: "left") == ["intent"])
            _ = try await rig.settling {
                rig.simulator.releaseHeld()
                return try await rig.accessLog.line(with: " left ")
            }
            // `.hang` was never executed, and its connection ends without an answer.
            let result = rig.simulator.reportExists(report) ? "unknown" : "deleted"
            #expect(try rig.story(of: "left") == ["intent", "outcome \(result)"])
            #expect(rig.deletesSent == 1)
        }
    }
}

extension Rig {
    /// Deletes that upstream received.
    fileprivate var deletesSent: Int {
        simulator.recorded(RequestFilter(target: "/clash")).filter { $0.method != "GET" }.count
    }

    fileprivate func delete(_ report: String, _ version: String, id: String) async throws -> RawResponse {
        version == "v1" ? try await deleteRun(report, id: id) : try await deleteReport(report, id: id)
    }
}
