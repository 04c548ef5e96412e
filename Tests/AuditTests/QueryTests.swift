import Glibc
import Ground
import Testing

@testable import Audit

@Suite("Questions to the log")
struct QueryTests {
    private let itwin = "4b2f0c1e-0000-4000-8000-000000000001"

    /// Five calls, one after the other: deleted, not_found, unknown after a crash, denied, still open.
    private func makeLog() async throws -> (reader: AuditReader, start: AuditTime) {
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let start = clock.wallTime
        let options = AuditOptions.memory(disk, clock: clock, rotateBytes: 1500)
        let log = try await AuditLog.open(folder: "audit", options: options)
        let one = try await log.append(
            AuditIntent(call: .make("c-1", caller: "ana", objects: ["AAAAAAAA-0000-4000-8000-00000000000A", "r-2"])))
        let two = try await log.append(AuditIntent(call: .make("c-2", caller: "bob")))
        await log.append(AuditOutcome(result: .notFound, status: 404, attempts: 2, duration: .seconds(2)), for: two)
        await log.append(.deleted, for: one)
        _ = try await log.append(AuditIntent(call: .make("c-3", caller: "bob")))
        await log.denied(.make("c-4", caller: "eve"), status: 403)
        await log.close()
        let next = try await AuditLog.open(folder: "audit", options: options)
        for intent in next.recovery.openIntents { await next.recovered(intent, result: .unknown) }
        _ = try await next.append(AuditIntent(call: .make("c-5", caller: "ana")))
        await next.close()
        return (AuditReader(folder: "audit", fileSystem: disk), start)
    }

    private func ids(_ reader: AuditReader, _ set: (inout AuditFilter) -> Void) throws -> [String] {
        var filter = AuditFilter()
        set(&filter)
        var ids: [String] = []
        try reader.rows(filter) { row in
            ids.append(row.call.id)
            return true
        }
        return ids
    }

    @Test("intent and outcome are one row, over files and starts")
    func rows() async throws {
        let (reader, _) = try await makeLog()
        var rows: [String: AuditRow] = [:]
        try reader.rows { row in
            rows[row.call.id] = row
            return true
        }
        #expect(
            rows.mapValues(\.result) == [
                "c-1": "deleted", "c-2": "not_found", "c-3": "unknown", "c-4": "denied", "c-5": "open",
            ])
        #expect(rows["c-2"]?.attempts == 2 && rows["c-2"]?.duration == 2000 && rows["c-2"]?.status == 404)
        #expect(rows["c-3"]?.isRecovered == true && rows["c-1"]?.isRecovered == false)
        #expect(rows["c-1"]?.seq == 2 && rows["c-1"]?.closedBy == 5)
    }

    @Test("filters choose by caller, object, iTwin and result; GUIDs in any spelling")
    func filters() async throws {
        let (reader, _) = try await makeLog()
        #expect(try ids(reader) { $0.caller = "bob" } == ["c-2", "c-3"])
        #expect(try ids(reader) { $0.object = "aaaaaaaa-0000-4000-8000-00000000000a" } == ["c-1"])
        for spelling in [
            "{AAAAAAAA-0000-4000-8000-00000000000a}", "aaaaaaaa000040008000 00000000000a".replacing(" ", with: ""),
            "{AAAAAAAA00004000800000000000000A}",
        ] {
            #expect(try ids(reader) { $0.object = spelling } == ["c-1"], "\(spelling)")
        }
        #expect(try ids(reader) { $0.object = "aaaaaaaa-0000-4000-8000-00000000000" } == [])
        #expect(try ids(reader) { $0.object = "r-2" } == ["c-1"])
        #expect(try ids(reader) { $0.object = "R-2" } == [])
        #expect(try ids(reader) { $0.itwin = itwin.uppercased() }.count == 5)
        #expect(try ids(reader) { $0.result = "denied" } == ["c-4"])
        #expect(try ids(reader) { $0.result = "open" } == ["c-5"])
        #expect(try ids(reader) { $0.result = "unknown" } == ["c-3"])
    }

    @Test("since takes what was asked for or closed then or later, until what was asked for before")
    func times() async throws {
        let (reader, _) = try await makeLog()
        var stamps: [String: AuditTime] = [:]
        try reader.records { record in
            stamps["\(record.event) \(record.call.id)"] = record.time
            return true
        }
        let second = try #require(stamps["intent c-2"])
        #expect(try ids(reader) { $0.until = second } == ["c-1"])
        #expect(try ids(reader) { $0.since = stamps["outcome c-1"] } == ["c-1", "c-4", "c-3", "c-5"])
        #expect(try ids(reader) { $0.since = stamps["intent c-5"] } == ["c-5"])
    }

    @Test("a listing can be stopped")
    func stopped() async throws {
        let (reader, _) = try await makeLog()
        var count = 0
        try reader.rows { _ in
            count += 1
            return count < 2
        }
        #expect(count == 2)
    }

    @Test("an entry is shown by correlation id, by the number of its intent, and by that of its outcome")
    func show() async throws {
        let (reader, _) = try await makeLog()
        func shown(_ key: String) throws -> [String] {
            var found: [String] = []
            try reader.show(key) { found.append($0) }
            return found
        }
        let entry = try shown("c-2")
        #expect(entry.count == 2 && entry[0].contains(#""event":"intent""#) && entry[1].contains(#""event":"outcome""#))
        #expect(try shown("3") == entry)
        #expect(try shown("4") == entry)
        #expect(try shown("1").count == 1)
        #expect(try shown("nobody").isEmpty)
    }

    @Test("the intents of a caller since a point of time can be counted again")
    func budget() async throws {
        let (reader, start) = try await makeLog()
        var count = 0
        try reader.intents(since: start, caller: "bob") { _, call in count += call.operation == "v1.runs.delete" ? 1 : 0
        }
        #expect(count == 2)
        try reader.intents(since: AuditTime(microseconds: start.microseconds + 60_000_000)) { _, _ in
            Issue.record("nothing is as new as that")
        }
    }

    @Test("an intent whose call was never sent is not counted")
    func budgetOfUnsent() async throws {
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let start = clock.wallTime
        let log = try await AuditLog.open(
            folder: "audit", options: AuditOptions.memory(disk, clock: clock, rotateBytes: 1500))
        for (number, result) in [AuditResult.notSent, .deleted, .unknown, .notSent, .notFound].enumerated() {
            let intent = try await log.append(AuditIntent(call: .make("c-\(number)", caller: "bob")))
            await log.append(AuditOutcome(result: result, attempts: 0, duration: .zero), for: intent)
        }
        _ = try await log.append(AuditIntent(call: .make("c-5", caller: "bob")))
        await log.close()
        var counted: [String] = []
        try AuditReader(folder: "audit", fileSystem: disk).intents(since: start) { _, call in counted.append(call.id) }
        #expect(counted == ["c-1", "c-2", "c-4", "c-5"])
    }

    @Test("a cell never begins a formula, and quotes, commas and line ends stay in their cell")
    func csv() {
        var call = AuditCall.make("=cmd|' /C calc'!A0", caller: "@ana, \"the\" boss")
        call.reason = "two\nlines"
        call.target = "+1"
        call.itwin = "\tx"
        var printer = AuditPrinter(.csv)
        let text = printer.text(
            AuditRow(seq: 7, time: AuditTime(microseconds: 0), call: call, result: "denied", status: 403))
        #expect(
            text
                == "7,1970-01-01T00:00:00.000000Z,\"'=cmd|' /C calc'!A0\",v1.runs.delete,DELETE,\"'+1\",r-1,\"'\\u0009x\","
                + "\"'@ana, \"\"the\"\" boss\",127.0.0.1:50000,key,two\\u000Alines,denied,403,,,,,,\r\n")
        #expect(
            printer.header.split(separator: ",").count == text.split(separator: ",", omittingEmptySubsequences: false)
                .count - 1)
    }

    @Test("a table shows no control and no reordering characters and keeps its columns")
    func table() {
        var printer = AuditPrinter(.table)
        let call = AuditCall.make("c", caller: "a\u{1B}[31m\u{202E}b" + String(repeating: "x", count: 40))
        let text = printer.text(AuditRow(seq: 1, time: AuditTime(microseconds: 0), call: call, result: "deleted"))
        #expect(
            text
                == "1         1970-01-01T00:00:00Z  a\u{FFFD}[31m\u{FFFD}bxxxxxxx…  key          v1.runs.delete                deleted            -       c"
                + String(repeating: " ", count: 37) + "clean-up" + String(repeating: " ", count: 26) + "r-1\n"
        )
    }

    @Test("somebody for whom an issuer vouches is never taken for the key's caller of that name")
    func namesake() {
        func row(_ caller: AuditCaller) -> AuditRow {
            var call = AuditCall.make("c")
            call.caller = caller
            return AuditRow(seq: 1, time: AuditTime(microseconds: 0), call: call, result: "deleted")
        }
        let (key, person) = (
            row(AuditCaller(name: "nightly", via: "key")),
            row(AuditCaller(name: "nightly", via: "jwt", issuer: "https://i", subject: "4f3c"))
        )
        var table = AuditPrinter(.table)
        #expect(table.text(key).contains(" nightly           key          v1.runs.delete"))
        #expect(table.text(person).contains(" nightly           jwt          v1.runs.delete"))
    }

    @Test("whatever a terminal would obey or reorder is escaped so that nothing of it is lost, and all else stays")
    func printable() {
        let text = "Prüfung \u{1B}[2J\u{202E}x\u{85}\u{2028}\u{E0001} العربية 漢字 🚀\n"
        #expect(
            PrintableText.escaped(text) == #"Prüfung \u001B[2J\u202Ex\u0085\u2028\uDB40\uDC01 العربية 漢字 🚀\u000A"#)
        #expect(PrintableText.plain("a\u{7F}\u{2066}b") == "a\u{FFFD}\u{FFFD}b")
        var printer = AuditPrinter(.json)
        let call = AuditCall.make("a\u{1B}\u{202E}b")
        let row = printer.text(AuditRow(seq: 1, time: AuditTime(microseconds: 0), call: call, result: "done"))
        #expect(row.contains(#"a\u001b\u202Eb"#) || row.contains(#"a\u001B\u202Eb"#), "\(row)")
        #expect(JSONCheck.isContainer(Array(row.utf8)))
    }

    @Test("a folder that belongs to somebody else, or cannot be written, is told with what to do")
    func remedies() {
        for (code, words) in [
            (EACCES, "chown -R \(geteuid())"), (EPERM, "audit.path"), (EROFS, "volume"), (ENOENT, "make the folder"),
        ] {
            let failure = AuditOpenFailure.refused(FileFailure(operation: "create", path: "/x/audit", code: code))
            #expect(failure.description.contains("/x/audit") && failure.description.contains(words))
        }
        // What has to be changed is named, as it is seen from everywhere.
        func told(_ operation: String, _ path: String) -> String {
            AuditOpenFailure.refused(FileFailure(operation: operation, path: path, code: EACCES)).description
        }
        #expect(told("create folder", "/srv/audit").contains("may not write in /srv: "))
        #expect(told("create folder", "/srv/audit").contains("-o \(geteuid()) /srv/audit`"))
        #expect(told("list", "/srv/audit").contains("chown -R \(geteuid()) /srv/audit`"))
        #expect(told("open", "/srv/audit/audit.lock").contains("chown -R \(geteuid()) /srv/audit`"))
        #expect(told("list", "log").contains("chown -R \(geteuid()) /"))
        let unread = #expect(throws: AuditReadFailure.self) {
            try AuditReadFailure.wrapping { () throws(FileFailure) in
                throw FileFailure(operation: "list", path: "/srv/audit", code: EACCES)
            }
        }
        #expect(unread?.description.contains("as the user that the proxy runs as") == true)
        #expect(
            !AuditOpenFailure.refused(FileFailure(operation: "create", path: "/x", code: ENOSPC)).description.contains(
                ";"))
    }

    @Test("the rows as JSON are one array that parses")
    func json() throws {
        var printer = AuditPrinter(.json)
        var text = printer.header
        for seq in 1...3 {
            text += printer.text(
                AuditRow(
                    seq: UInt64(seq), time: AuditTime(microseconds: 0), call: .make("a\"b\n"), result: "done",
                    closedBy: 9))
        }
        text += printer.footer
        #expect(JSONCheck.isContainer(Array(text.utf8)))
        #expect(lines(Array(text.utf8)).count == 5)
        #expect(JSONCheck.isContainer(Array((AuditPrinter(.json).header + AuditPrinter(.json).footer).utf8)))
    }
}
