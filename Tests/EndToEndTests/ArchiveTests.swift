// deletes.archive: what a delete destroys is on disk before it is sent.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct ArchiveEndToEndTests {
    @Test("a report is read whole, kept, named in the intent, and only then deleted; audit restore brings it back")
    func report() async throws {
        try await withArchive("required") { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let whole = try await rig.get("\(rig.v2)/reports/\(report)").body
            rig.simulator.clearRecorded()
            #expect(try await rig.deleteReport(report, id: "a-1").status == 202)
            #expect(rig.sent == ["GET \(rig.v2)/reports/\(report)", "POST \(rig.v2)/reports/jobs/deletion"])
            let read = try #require(rig.simulator.recorded(RequestFilter(method: "GET", target: "/clash")).first)
            #expect(read[header: "x-correlation-id"] == "a-1")
            let record = try #require(try rig.records(of: "a-1").first)
            let entry = try #require(rig.archived("a-1").first)
            #expect(record.text.contains(",\"archive\":[{\"file\":\"\(entry.file ?? "")\",\"sha256\":\""))
            #expect(entry.bytes == whole.count && entry.file?.hasSuffix("/\(entry.sha256 ?? "").json.gz") == true)
            #expect(try await rig.gunzip(entry.file ?? "") == String(decoding: whole, as: UTF8.self))
            #expect(try await rig.sum(entry.file ?? "") == entry.sha256)
            #expect(try rig.story(of: "a-1") == ["intent", "outcome deleted"])
            try await restored(rig, whole)
        }
    }

    private func restored(_ rig: Rig, _ whole: [UInt8]) async throws {
        guard Program.isBuilt else { return }
        let places = ["--path", rig.auditFolder, "--archive-path", rig.archiveFolder]
        let shown = try await AuditProgram.run(["audit", "restore", "a-1"] + places)
        #expect(shown.status == 0 && Array(shown.output.utf8) == whole, "\(shown.errors)")
        let file = rig.folder.path + "/restored.json"
        let made = try await AuditProgram.run(["audit", "restore", "a-1", "--output", file] + places)
        #expect(made.status == 0 && made.errors.contains("restored \(whole.count) bytes"), "\(made.errors)")
        #expect(try Array(Data(contentsOf: URL(filePath: file))) == whole)
        let twice = try await AuditProgram.run(["audit", "restore", "a-1", "--output", file] + places)
        #expect(twice.status == 1 && twice.errors.contains("File exists"), "\(twice.errors)")
        let nothing = try await AuditProgram.run(["audit", "restore", "a-2"] + places)
        #expect(nothing.status == 1 && nothing.output.isEmpty)
        let good = try await AuditProgram.run(["audit", "verify", "--archive"] + places)
        #expect(
            good.status == 0 && good.output.contains("archive: 1 files named by the log, each as it was"),
            "\(good.output)")
        let path = "\(rig.archiveFolder)/\(rig.archived("a-1").first?.file ?? "")"
        try Data(try Data(contentsOf: URL(filePath: path)).dropLast(3)).write(to: URL(filePath: path))
        for arguments in [["verify", "--archive"], ["restore", "a-1"]] {
            let bad = try await AuditProgram.run(["audit"] + arguments + places)
            #expect(bad.status == 1 && (bad.output + bad.errors).contains("damaged"), "\(arguments) \(bad.output)")
            #expect(!bad.output.contains("clashes"), "nothing of what is damaged is written out")
        }
        unlink(path)
        let gone = try await AuditProgram.run(["audit", "verify", "--archive"] + places)
        #expect(gone.status == 1 && gone.output.contains("No such file"), "\(gone.output)")
    }

    @Test("of a v1 run its result is kept")
    func run() async throws {
        try await withArchive("required") { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let run = rig.simulator.legacyID(project: rig.iTwin, entity: report) ?? ""
            let target = "/clashdetection/results/\(rig.simulator.legacyResultID(report: report) ?? "")"
            let whole = try await rig.get(target).text
            rig.simulator.clearRecorded()
            #expect(try await rig.deleteRun(report, id: "r-1").status == 204)
            #expect(
                rig.sent == ["GET /clashdetection/runs/\(run)", "GET \(target)", "DELETE /clashdetection/runs/\(run)"])
            #expect(try await rig.gunzip(rig.archived("r-1").first?.file ?? "") == whole)
        }
    }

    @Test("what is cached is not good enough, and objects of other kinds are not read at all")
    func never() async throws {
        try await withArchive("required", flags: ["cache.enabled=true"]) { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            for _ in 0..<2 { _ = try await rig.get("\(rig.v2)/reports/\(report)") }
            #expect(rig.sent.count == 1)
            #expect(try await rig.deleteReport(report, id: "a").status == 202)
            #expect(rig.sent.map { String($0.prefix(4)) } == ["GET ", "GET ", "POST"])
            rig.simulator.clearRecorded()
            let rule = rig.simulator.ruleIDs(iTwin: rig.iTwin)[0]
            #expect(try await rig.call("DELETE", "\(rig.v2)/suppression-rules/\(rule)").status == 204)
            let test = rig.simulator.testIDs(iTwin: rig.iTwin)[0]
            let body = #"{"jobs":["\#(test)"],"operation":"delete"}"#
            #expect(try await rig.call("POST", "\(rig.v2)/tests/jobs/deletion", body: body).status == 202)
            #expect(rig.sent.count == 2)
        }
    }

    @Test("what is read to be kept is a call like others: it counts in the windows, and what has no turn is not kept")
    func counted() async throws {
        try await withScopes(flags: ["deletes.archive=required"]) {
            try $0.add("tool", line: "windows = [\"3/1h\"]\n")
        } _: { rig, callers in
            let team = Team(rig: rig, callers: callers)
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await team.delete(reports[1], "tool", id: "first").status == 202)
            let me = try await rig.get("/_proxy/me", [team.key("tool")]).text
            #expect(me.contains(#""used":2,"remaining":1"#), "\(me)")
            _ = try await rig.get("\(rig.v2)/reports/\(reports[2])", [team.key("tool")])
            let refused = try await team.delete(reports[2], "tool", id: "late")
            refused.expectError(503, "ArchiveUnavailable", reason: "archive-unavailable", retryAfter: 3000...3600)
            #expect(rig.sent.count == 3 && rig.simulator.reportExists(reports[2]))
        }
    }

    @Test("where upstream says that it is not there, there is nothing to keep, and the delete goes on")
    func missing() async throws {
        try await withArchive("required") { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            #expect(rig.simulator.removeReport(report))
            #expect(try await rig.deleteReport(report, id: "m").status == 404)
            #expect(rig.archived("m").isEmpty)
            #expect(try rig.story(of: "m") == ["intent", "outcome not_found"])
            #expect(try await rig.deleteRun(report, id: "m-1").status == 404)
        }
    }

    static let halves: [(String, String)] = [
        ("500", json("{}", status: "500 Error")),
        ("another 404", json("{\"statusCode\":404}", status: "404 Not Found")),
        ("no JSON", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"),
        ("mid-value", json(#"{"metadata":{"id":"x"},"report":{"clashes":["#)), ("a list", json("[]")),
        ("empty", json("")),
        ("cut", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}"),
        ("no end", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}"),
        (
            "mid-chunk",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
        ),
    ]

    @Test("what is not whole is no archive: required sends nothing, best_effort says why", arguments: halves.indices)
    func halfAnswers(_ index: Int) async throws {
        let (name, answer) = Self.halves[index]
        for mode in ["required", "best_effort"] {
            let received = Received()
            let server = ScriptedOrigin { connection in
                while true {
                    let request = try connection.readRequest()
                    _ = received.add(request)
                    let isDelete = request.requestLine.hasPrefix("POST")
                    try connection.send(isDelete ? json("{}", status: "202 Accepted") : answer)
                    if !isDelete, name == "cut" || name == "no end" || name == "mid-chunk" { return }
                }
            }
            defer { server.stop() }
            try await withArchive(mode, origin: server) { rig in
                let answer = try await rig.deleteReport(SeededWorld.foreign, id: "h")
                let deletes = received.all.filter { $0.requestLine.hasPrefix("POST") }.count
                if mode == "required" {
                    answer.expectError(
                        503, "ArchiveUnavailable", reason: "archive-unavailable", retryAfter: 1...60, name)
                    #expect(deletes == 0, "\(name)")
                    #expect(try rig.story(of: "h").isEmpty, "\(name)")
                } else {
                    #expect(answer.status == 202, "\(name): \(answer.text)")
                    #expect(deletes == 1)
                    #expect(rig.archived("h").first?.why?.isEmpty == false, "\(name)")
                    #expect(try rig.records(of: "h").first?.text.contains(#","archive":[{"why":""#) == true)
                }
                #expect(rig.unfinished.isEmpty, "\(name)")
            }
        }
    }

    @Test("an archive that cannot be written is an alert, refuses under required, and is a reason under best_effort")
    func unwritable() async throws {
        let receiver = AlertReceiver()
        defer { receiver.stop() }
        try await withArchive("required", flags: [receiver.flag]) { rig in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            // A file stands where the folder should be.
            try FileManager.default.removeItem(atPath: rig.archiveFolder)
            try Data().write(to: URL(filePath: rig.archiveFolder))
            let refused = try await rig.deleteReport(reports[1], id: "w")
            refused.expectError(503, "ArchiveUnavailable", reason: "archive-unavailable", retryAfter: 1...60)
            #expect(!rig.sent.contains { $0.hasPrefix("POST") })
            let alert = try await receiver.alert("archive")
            #expect(alert.severity == "critical" && alert.details["error"]?.contains(rig.archiveFolder) == true)
            _ = try await rig.applicationLog.line(with: "the archive of deletes cannot be written")
            await rig.reload(["deletes.archive=best_effort"])
            #expect(try await rig.deleteReport(reports[1], id: "b").status == 202)
            #expect(rig.archived("b").first?.why?.contains("Not a directory") == true, "\(rig.archived("b"))")
            unlink(rig.archiveFolder)
            #expect(try await rig.deleteReport(reports[2], id: "ok").status == 202)
            #expect(rig.archived("ok").first?.file != nil)
            _ = try await receiver.alert("archive", "over")
            await rig.reload(["deletes.archive=off"])
            #expect(try await rig.deleteReport(reports[3], id: "off").status == 202)
            #expect(rig.archived("off").isEmpty)
        }
    }

    @Test("upstream that cannot be reached is no archive either, and the delete is on record as not sent")
    func down() async throws {
        let server = origin(always: ok)
        try await withArchive("required", origin: server) { rig in
            server.stop()
            try await eventually("closed") { server.isClosed }
            try await rig.deleteReport(SeededWorld.foreign, id: "d").expectError(
                503, "ArchiveUnavailable", reason: "archive-unavailable", retryAfter: 1...60)
            #expect(try rig.story(of: "d") == ["intent", "outcome not_sent"])
        }
    }

    @Test("a tool that leaves while its report is read deletes nothing, and leaves nothing behind")
    func toolLeaves() async throws {
        try await withArchive("required") { rig in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            rig.simulator.inject(.stall(after: 100), where: RequestFilter(method: "GET", target: report))
            let client = try rig.connect()
            try await client.send(
                rig.request(
                    "POST", "\(rig.v2)/reports/jobs/deletion", [("x-correlation-id", "left")],
                    body: #"{"jobs":["\#(report)"],"operation":"delete"}"#))
            #expect(await rig.simulator.waitForRequests(1, where: RequestFilter(method: "GET", target: report)))
            client.close()
            _ = try await rig.accessLog.line(with: " left ")
            #expect(!rig.sent.contains { $0.hasPrefix("POST") })
            try await eventually("nothing is left") { rig.unfinished.isEmpty }
            #expect(try rig.story(of: "left").isEmpty)
        }
    }

    @Test("equal bytes of a year are one file, whoever deletes what")
    func equal() async throws {
        let server = origin { _, request in
            request.requestLine.hasPrefix("GET")
                ? json(#"{"report":{"clashes":[]}}"#) : json("{}", status: "202 Accepted")
        }
        defer { server.stop() }
        try await withArchive("required", origin: server) { rig async throws in
            for id in ["e1", "e2"] { #expect(try await rig.deleteReport(id, id: id).status == 202) }
            #expect(
                rig.archived("e1").first?.file != nil
                    && rig.archived("e1").first?.file == rig.archived("e2").first?.file)
            #expect(rig.files.count == 1)
        }
    }

    @Test("the archive comes after the approval: what nobody has approved is not read")
    func approved() async throws {
        try await withScopes(flags: ["deletes.approval=second", "deletes.archive=required"]) {
            try $0.add("tool")
            try $0.add("boss", allow: "approve")
        } _: { rig, callers in
            let team = Team(rig: rig, callers: callers)
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[1]
            let id = try approvalID(try await team.delete(report, "tool", id: "ask"))
            #expect(rig.sent.isEmpty)
            #expect(try await team.decide(id, "approve", "boss").status == 200)
            rig.simulator.inject(.plainText500, where: RequestFilter(method: "GET", target: report), times: nil)
            #expect(try await team.delete(report, "tool", id: "fails").status == 503)
            rig.simulator.clearFaults()
            #expect(try await team.delete(report, "tool", id: "goes").status == 202, "the approval is still good")
            let intent = try #require(try rig.records(of: "goes").first)
            #expect(intent.members.suffix(4) == ["archive", "approval", "prev", "hash"])
        }
    }

    @Test("archive_keep removes what no younger record names, says so in the log, and verify expects it")
    func keep() async throws {
        try await withArchive("required", flags: ["deletes.archive_keep=48h"]) { rig in
            let reports = rig.simulator.reportIDs(iTwin: rig.iTwin)
            #expect(try await rig.deleteReport(reports[1], id: "old").status == 202)
            rig.clock.advance(by: .seconds(40 * 3600))
            #expect(try await rig.deleteReport(reports[2], id: "young").status == 202)
            #expect(rig.files.count == 2)
            rig.clock.advance(by: .seconds(9 * 3600))
            try await eventually("the old one is gone") { rig.files.count == 1 }
            #expect(rig.files == [rig.archived("young").first?.file ?? ""])
            let removed = try rig.records().filter { $0.line.event == "archive_removed" }
            #expect(removed.count == 1)
            #expect(removed.first?.text.contains("\"file\":\"\(rig.archived("old").first?.file ?? "")\"") == true)
            #expect(removed.first?.line.reason?.contains("deletes.archive_keep 48h: 1 file removed") == true)
            guard Program.isBuilt else { return }
            let places = ["--path", rig.auditFolder, "--archive-path", rig.archiveFolder]
            let verified = try await AuditProgram.run(["audit", "verify", "--archive"] + places)
            #expect(verified.status == 0 && verified.output.contains("archive: 1 files"), "\(verified.output)")
        }
    }

    @Test("40 MB pass through to the disk in constant memory", .enabled(if: Program.isBuilt))
    func large() async throws {
        try await withRig { options in
            options.simulator.bigReportClashes = 100_000
        } _: { rig in
            let program = try Program(["serve", "--config", "/dev/null"] + rig.programSettings("required"))
            let port = try await program.port()
            func delete(_ report: String, _ id: String) async throws -> Int {
                let client = try RawClient(port: port)
                defer { client.close() }
                let request = rig.request(
                    "POST", "\(rig.v2)/reports/jobs/deletion", [("x-correlation-id", id)],
                    body: #"{"jobs":["\#(report)"],"operation":"delete"}"#)
                return try await client.exchange(request).status
            }
            for report in rig.simulator.reportIDs(iTwin: rig.iTwin).dropFirst().prefix(5) {
                #expect(try await delete(report, "small") == 202)
            }
            let before = program.peakMemory
            #expect(try await delete(rig.simulator.bigReportID ?? "", "big") == 202)
            let after = program.peakMemory
            #expect(after - before < 8 << 20, "from \(before >> 10) to \(after >> 10) KiB")
            let entry = try #require(rig.archived("big", in: rig.programLog).first)
            #expect((entry.bytes ?? 0) > 35 << 20)
            #expect(try await rig.sum(entry.file ?? "") == entry.sha256)
            #expect(try await program.end() == 0)
        }
    }
}

/// An element of a record's `archive`.
struct ArchivedEntry: Decodable, Sendable {
    let file, sha256, why: String?
    let bytes: Int?
}

func withArchive(
    _ mode: String, origin: ScriptedOrigin? = nil, flags: [String] = [], _ body: (Rig) async throws -> Void
) async throws {
    try await withRig { options in
        options.origin = origin
        options.flags = ["deletes.archive=\(mode)"] + flags
    } _: {
        try await body($0)
    }
}

extension Rig {
    var archiveFolder: String { folder.path + "/archive" }

    /// What has got upstream, in its order.
    var sent: [String] {
        simulator.recorded(RequestFilter(target: "/clash")).map { "\($0.method) \($0.target)" }
    }

    /// What the intent of a call says.
    func archived(_ id: String, in folder: String? = nil) -> [ArchivedEntry] {
        struct Line: Decodable { let archive: [ArchivedEntry]? }
        let text = (try? records(of: id, in: folder).first { $0.line.event == "intent" }?.text) ?? ""
        return (try? JSONDecoder().decode(Line.self, from: Data(text.utf8)))?.archive ?? []
    }

    /// The files of the archive.
    var files: [String] {
        let years = ((try? FileManager.default.contentsOfDirectory(atPath: archiveFolder)) ?? []).filter {
            $0.count == 4
        }
        return years.flatMap { year in
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(archiveFolder)/\(year)")) ?? []).map {
                "\(year)/\($0)"
            }
        }
    }

    /// What is no file of it yet.
    var unfinished: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: archiveFolder)) ?? []).filter { $0.count != 4 }
    }

    /// A file's plain bytes as text, by another program.
    func gunzip(_ file: String) async throws -> String {
        let result = try await AuditProgram.run("/bin/sh", ["-c", "gzip -dc < \"$0\"", "\(archiveFolder)/\(file)"])
        guard result.status == 0 else { throw RawClient.Trouble(description: "gzip: \(result.errors)") }
        return result.output
    }

    /// Their SHA-256, by another program.
    func sum(_ file: String) async throws -> String {
        let result = try await AuditProgram.run(
            "/bin/sh", ["-c", "gzip -dc < \"$0\" | sha256sum", "\(archiveFolder)/\(file)"])
        return String(result.output.prefix(64))
    }

    var programLog: String { folder.path + "/program" }

    /// For the built program in front of the same simulator, with the rig's folders.
    func programSettings(_ mode: String) -> [String] {
        [
            "listen.address=127.0.0.1:0", "admin.address=", "upstream.url=\(upstream.apiURL)",
            "token.token_url=\(upstream.tokenURL)", "token.client_id=demo", "token.client_secret=demo-secret",
            "audit.path=\(programLog)", "audit.snapshot=false", "deletes.archive=\(mode)",
            "deletes.archive_path=\(archiveFolder)",
        ].flatMap { ["--set", $0] }
    }
}
