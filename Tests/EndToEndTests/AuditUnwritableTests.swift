// A log that cannot be written: deletes are refused and never sent, everything else goes on, and it heals by itself.

import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite struct AuditUnwritableTests {
    @Test("a removed folder: deletes get 503, reads go on, readiness says degraded; put back, it heals")
    func removedFolder() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "before").status == 204)
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            for (index, version) in ["v1", "v2", "v1"].enumerated() {
                let report = reports[index + 1]
                let answer =
                    version == "v1"
                    ? try await rig.deleteRun(report, id: "no-\(index)")
                    : try await rig.deleteReport(report, id: "no-\(index)")
                answer.expectError(503, "AuditUnavailable", reason: "audit-unavailable", retryAfter: 1...60)
                #expect(rig.simulator.reportExists(report))
            }
            #expect(rig.simulator.recorded(RequestFilter(target: "/clash")).filter { $0.method != "GET" }.count == 1)
            #expect(try await rig.get(rig.list).status == 200, "reads go on")
            try await rig.expectDegraded()
            try broken.mend()
            try await rig.untilDeletesWork()
            #expect(try await rig.deleteRun(reports[1], id: "after").status == 204)
            #expect(try rig.story(of: "after") == ["intent", "outcome deleted"])
            try await rig.expectWell()
        }
    }

    @Test("a removed file: the delete at hand is refused, the log goes on in a new file, and verify tells the gap")
    func removedFile() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "before").status == 204)
            unlink(rig.auditFolder + "/audit-00000000000000000001.jsonl")
            let answer = try await rig.deleteRun(reports[1], id: "at-hand")
            answer.expectError(503, "AuditUnavailable", reason: "audit-unavailable", retryAfter: 1...60)
            #expect(rig.simulator.reportExists(reports[1]), "it was not sent")
            try await rig.untilDeletesWork()
            #expect(try await rig.deleteRun(reports[1], id: "after").status == 204)
            let verified = try await AuditProgram.run(["audit", "verify", "--path", rig.auditFolder])
            #expect(verified.status == 1 && verified.output.contains("missing: records 1 to "), "\(verified.output)")
        }
    }

    @Test("a replaced file: nothing is written into the stranger, the delete is refused, and the log goes on")
    func replacedFile() async throws {
        try await withRig { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "before").status == 204)
            let path = rig.auditFolder + "/audit-00000000000000000001.jsonl"
            try writeFile(path + ".new", "a stranger\n")
            rename(path + ".new", path)
            let answer = try await rig.deleteRun(reports[1], id: "at-hand")
            answer.expectError(503, "AuditUnavailable", reason: "audit-unavailable", retryAfter: 1...60)
            #expect(rig.simulator.reportExists(reports[1]))
            try await rig.untilDeletesWork()
            #expect(try await rig.deleteRun(reports[1], id: "after").status == 204)
            let verified = try await AuditProgram.run(["audit", "verify", "--path", rig.auditFolder])
            #expect(verified.status == 1, "\(verified.output)")
        }
    }

    @Test("an outcome that cannot be written: the tool still gets the truth, and it is written when the log is back")
    func outcome() async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = folder.path + "/audit"
        let aside = log + ".aside"
        let server = origin { number, _ in
            if number == 1 { rename(log, aside) }
            return "HTTP/1.1 204 No Content\r\n\r\n"
        }
        try await withRig(origin: server, flags: ["audit.path=\(log)"]) { rig async throws in
            let first = try await rig.call("DELETE", "/clashdetection/runs/a", [("x-correlation-id", "kept")])
            #expect(first.status == 204, "what upstream did is done")
            let second = try await rig.call("DELETE", "/clashdetection/runs/b", [("x-correlation-id", "next")])
            second.expectError(503, "AuditUnavailable", reason: "audit-unavailable", retryAfter: 1...60)
            rename(aside, log)
            try await rig.untilDeletesWork()
            #expect(try rig.story(of: "kept", in: log) == ["intent", "outcome deleted"])
            #expect(try rig.story(of: "next", in: log).isEmpty)
        }
    }

    @Test("audit.required = false: a delete goes through although nothing can be recorded")
    func notRequired() async throws {
        try await withRig { options in
            options.flags = ["audit.required=false"]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            let broken = try BrokenLog.removedFolder(rig.auditFolder)
            #expect(try await rig.deleteRun(reports[0], id: "free").status == 204)
            #expect(!rig.simulator.reportExists(reports[0]))
            try broken.mend()
        }
    }

    @Test(
        "a full disk: deletes get 503, reads go on, and it heals when there is room again",
        .enabled(if: SmallDisk.isPossible))
    func fullDisk() async throws {
        let disk = try SmallDisk()
        defer { disk.remove() }
        let log = disk.path + "/audit"
        try await withRig {
            $0.flags = ["audit.path=\(log)"]
        } _: { rig async throws in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteRun(reports[0], id: "before").status == 204)
            try disk.fill()
            // What the log had reserved may carry a few more.
            var status = 204
            var used = 0
            while status == 204, used < reports.count - 3 {
                used += 1
                let answer = try await rig.deleteRun(
                    reports[used], id: "full-\(used)", [("X-Audit-Reason", longReason)])
                status = answer.status
                if status != 204 {
                    answer.expectError(503, "AuditUnavailable", reason: "audit-unavailable", retryAfter: 1...60)
                }
            }
            #expect(status == 503)
            #expect(rig.simulator.reportExists(reports[used]))
            #expect(try await rig.get(rig.list).status == 200)
            try await rig.expectDegraded()
            disk.empty()
            try await rig.untilDeletesWork()
            #expect(try await rig.deleteRun(reports[used], id: "after").status == 204)
            #expect(try rig.story(of: "after", in: log) == ["intent", "outcome deleted"])
            #expect(
                try rig.records(in: log).filter { $0.line.event == "intent" }.allSatisfy { intent in
                    try rig.records(in: log).contains { $0.line.intent == intent.line.seq }
                }, "every outcome found room")
            try await rig.expectWell()
        }
    }

    private var longReason: String { String(repeating: "because ", count: 3_000) }
}

/// A log's folder that is out of the way for a while.
struct BrokenLog {
    private let path: String
    private var aside: String { path + ".aside" }

    static func removedFolder(_ path: String) throws -> BrokenLog {
        let broken = BrokenLog(path: path)
        guard rename(path, broken.aside) == 0 else { throw RawClient.Trouble(description: "cannot move \(path)") }
        return broken
    }

    func mend() throws {
        guard rename(aside, path) == 0 else { throw RawClient.Trouble(description: "cannot move \(aside)") }
    }
}

/// A tmpfs of one MiB; only root can mount one, and not in every container.
struct SmallDisk {
    let path: String
    private let folder: TemporaryFolder
    private var filler: String { path + "/filler" }

    static let isPossible: Bool = {
        guard let disk = try? SmallDisk() else { return false }
        disk.remove()
        return true
    }()

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path
        guard mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0 else {
            folder.remove()
            throw RawClient.Trouble(description: "cannot mount: errno \(errno)")
        }
    }

    func fill() throws {
        guard let file = fopen(filler, "w") else { throw RawClient.Trouble(description: "no filler") }
        setvbuf(file, nil, _IONBF, 0)
        let block = [UInt8](repeating: 0x78, count: 1 << 12)
        while fwrite(block, 1, block.count, file) == block.count {}
        while fwrite(block, 1, 1, file) == 1 {}
        fclose(file)
    }

    func empty() { unlink(filler) }

    func remove() {
        umount2(path, Int32(MNT_DETACH))
        folder.remove()
    }
}

func writeFile(_ path: String, _ text: String) throws {
    guard let file = fopen(path, "w") else { throw RawClient.Trouble(description: "cannot write \(path)") }
    fputs(text, file)
    fclose(file)
}

extension Rig {
    /// Waits until the log says that it can be written again.
    func untilDeletesWork() async throws {
        try await eventually("the log heals: \(sidecar.degradedReasons)") { sidecar.degradedReasons.isEmpty }
    }

    func expectDegraded(_ location: SourceLocation = #_sourceLocation) async throws {
        let ready = try await admin("/readyz")
        #expect(ready.status == 200, "a team's reads are not taken out", sourceLocation: location)
        #expect(
            ready.text.contains("degraded") && ready.text.contains("audit log"), "\(ready.text)",
            sourceLocation: location)
    }

    func expectWell(_ location: SourceLocation = #_sourceLocation) async throws {
        let ready = try await admin("/readyz")
        #expect(ready.status == 200 && !ready.text.contains("degraded"), "\(ready.text)", sourceLocation: location)
    }
}
