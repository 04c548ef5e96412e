// The audit log and processes: one writer for a folder, and a proxy that is killed.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt), .serialized) struct AuditProcessTests {
    private static let root = #filePath.components(beforeLast: 3)
    private static let python = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
        .map { "\($0)/python3" }.first { access($0) }

    @Test("a second proxy on the same folder refuses to start and says who has it")
    func secondWriter() async throws {
        try await withRig { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let second = try await AuditProgram.run(["serve", "--config", "/dev/null"] + settings(rig))
            #expect(second.status == 1)
            #expect(second.errors.contains("another process (pid "), "\(second.errors)")
            #expect(second.errors.contains(rig.auditFolder))
            #expect(try await rig.deleteRun(report, id: "first-goes-on").status == 204)
            #expect(try rig.story(of: "first-goes-on") == ["intent", "outcome deleted"])
        }
    }

    @Test("what a killed proxy left open is settled by a read at the next start: gone is deleted, there is unknown")
    func recovered() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let runs = reports.prefix(2).map { rig.simulator.legacyID(project: rig.iTwin, entity: $0) ?? "" }
            rig.simulator.inject(.executeThenHang, where: RequestFilter(target: runs[0]))
            rig.simulator.inject(.hang, where: RequestFilter(target: runs[1]))
            rig.simulator.inject(.hang, where: RequestFilter(target: "/models/jobs/deletion"))
            var program: Program? = try Program(["serve", "--config", "/dev/null"] + settings(rig, log: log))
            let port = try await program?.port() ?? 0
            let clients = try (0..<3).map { _ in try RawClient(port: port) }
            try await clients[0].send(
                rig.request("DELETE", "/clashdetection/runs/\(runs[0])", [("x-correlation-id", "k-0")]))
            try await clients[1].send(
                rig.request("DELETE", "/clashdetection/runs/\(runs[1])", [("x-correlation-id", "k-1")]))
            try await clients[2].send(
                rig.request("POST", "\(rig.v2)/models/jobs/deletion", [("x-correlation-id", "k-2")], body: "{}"))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: runs[0])))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: runs[1])))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(target: "/models/jobs")))
            program = nil  // SIGKILL
            for client in clients { client.close() }
            for id in ["k-0", "k-1", "k-2"] { #expect(try rig.story(of: id, in: log) == ["intent"]) }
            rig.simulator.clearFaults()

            let again = try Program(["serve", "--config", "/dev/null"] + settings(rig, log: log))
            try await eventually("three recovered records") {
                try rig.records(in: log).filter { $0.line.event == "recovered" }.count == 3
            }
            #expect(try await again.end() == 0)
            #expect(try rig.story(of: "k-0", in: log) == ["intent", "recovered deleted"])
            #expect(try rig.story(of: "k-1", in: log) == ["intent", "recovered unknown"])
            #expect(try rig.story(of: "k-2", in: log) == ["intent", "recovered unknown"])
            let record = try #require(try rig.records(of: "k-0", in: log).last)
            #expect(record.line.intent == (try rig.records(of: "k-0", in: log).first?.line.seq))
            #expect(record.line.operation == "v1.runs.delete" && record.line.objects == [runs[0]])
            let events = try AuditLogFile.lines(log).map(\.line.event)
            #expect(events.filter { $0 == "opened" }.count == 2 && events.last == "closed")
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).filter { $0.method != "GET" }.count == 3)
            let verified = try await AuditProgram.run(["audit", "verify", "--path", log])
            #expect(verified.status == 0, "\(verified.output)")
        }
    }

    @Test(
        "killed at random moments under concurrent deletes, the log holds what it promises", .enabled(if: python != nil)
    )
    func soak() async throws {
        let python = try #require(Self.python)
        let ran = try await AuditProgram.run(
            python, ["\(Self.root)/scripts/soak", "4", "0.6", "--binary", Program.path, "--tools", "12"])
        #expect(ran.status == 0, "\(ran.output)\(ran.errors)")
        #expect(ran.output.contains("4 kills"))
    }

    private func settings(_ rig: Rig, log: String? = nil) -> [String] {
        [
            "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(rig.upstream.apiURL)",
            "token.token_url=\(rig.upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(log ?? rig.auditFolder)", "audit.snapshot=false",
        ].flatMap { ["--set", $0] }
    }

    private static func access(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }
}

extension String {
    /// A path without its last parts.
    fileprivate func components(beforeLast count: Int) -> String {
        split(separator: "/", omittingEmptySubsequences: false).dropLast(count).joined(separator: "/")
    }
}
