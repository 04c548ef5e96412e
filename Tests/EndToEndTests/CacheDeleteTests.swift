// What a write has made untrue is not served again once its tool has the answer, whatever that answer was; and what it
// did not touch stays.

import Simulator
import TestSupport
import Testing

/// A write, what upstream says to it, and what is to be fetched anew after it.
struct PurgingWrite: Sendable, CustomTestStringConvertible {
    let what: String
    let method: String
    let target: String
    var body: String?
    var headers: [(String, String)] = []
    let gone: Set<String>
    var status = "202 Accepted"
    /// What need not stay, though it may: purging too much is no lie.
    var mayGo: Set<String> = []

    var testDescription: String { "\(what): \(method) \(target) -> \(status)" }
}

@Suite(.timeLimit(.minutes(8))) struct CacheDeleteTests {
    /// The pages that a test looks at, under names to tell them by.
    private static let pages: [(name: String, target: String, headers: [(String, String)])] = [
        ("reports", Path.reports, []),
        ("reports page 2", "\(Path.reports)?$top=2&$continuationToken=x", []),
        ("reports variant", Path.reports, [("Accept", "application/vnd.bentley.itwin-platform.v2+json")]),
        ("reports of a repository", Path.reports, [("repository-id", "r1")]),
        ("report a", "\(Path.reports)/a", []),
        ("report b", "\(Path.reports)/b", []),
        ("tests", Path.tests, []),
        ("test t", "\(Path.tests)/t", []),
        ("rules", "\(Path.iTwin)/suppression-rules", []),
        ("rule r", "\(Path.iTwin)/suppression-rules/r", []),
        ("manual of a", "\(Path.iTwin)/manual-suppressions?clashReportId=a", []),
        ("templates", "\(Path.iTwin)/suppression-templates", []),
        ("v1 runs", "/clashdetection/runs?projectId=i", []),
        ("v1 run a", "/clashdetection/runs/a", []),
        ("v1 result a", "/clashdetection/results/a", []),
        ("v1 result b", "/clashdetection/results/b", []),
        ("v1 tests", "/clashdetection/tests?projectId=i", []),
        ("v1 rules", "/clashdetection/suppressionrules?projectId=i", []),
        ("other iTwin's reports", "/clash-detection/itwins/j/reports", []),
        ("other iTwin's report a", "/clash-detection/itwins/j/reports/zz", []),
        ("other project's runs", "/clashdetection/runs?projectId=j", []),
    ]

    private static let flags = ["cache.ttl_list=1h", "cache.ttl_in_progress=1h", "cache.ttl_terminal=2h"]
    private static let listsOfReports: Set = [
        "reports", "reports page 2", "reports variant", "reports of a repository", "v1 runs",
    ]

    private static let manual: Set = ["manual of a"]
    private static let aboutA: Set = ["report a", "v1 run a", "v1 result a"]

    private static let table: [PurgingWrite] = [
        PurgingWrite(
            what: "v2 report delete", method: "POST", target: Path.deletion, body: job("a"),
            gone: listsOfReports.union(manual).union(aboutA)),
        PurgingWrite(
            what: "v2 report delete in other letters", method: "POST",
            target: "/CLASH-detection/itwins/i/Reports/jobs/Deletion", body: job("a"),
            gone: listsOfReports.union(manual).union(aboutA)),
        PurgingWrite(
            what: "v2 run delete", method: "POST", target: "\(Path.iTwin)/runs/jobs", body: job("a"),
            gone: listsOfReports.union(manual).union(aboutA)),
        PurgingWrite(
            what: "v1 run delete", method: "DELETE", target: "/clashdetection/runs/a",
            gone: listsOfReports.union(manual).union(aboutA).union(["other iTwin's reports", "other project's runs"]),
            status: "204 No Content", mayGo: ["report b", "v1 result b", "other iTwin's report a"]),
        PurgingWrite(
            what: "v2 test delete", method: "POST", target: "\(Path.tests)/jobs/deletion", body: job("t"),
            gone: listsOfReports.union(["tests", "test t", "v1 tests"])),
        PurgingWrite(
            what: "test created", method: "POST", target: Path.tests, body: "{}", gone: ["tests", "v1 tests"],
            status: "201 Created"),
        PurgingWrite(
            what: "v1 test created", method: "POST", target: "/clashdetection/tests", body: #"{"projectId":"i"}"#,
            gone: ["tests", "v1 tests"], status: "201 Created"),
        PurgingWrite(
            what: "v1 run started", method: "POST", target: "/clashdetection/runs",
            body: #"{"testId":"t","iModelId":"m","projectId":"i"}"#, gone: listsOfReports, status: "201 Created",
            mayGo: ["test t", "other iTwin's reports", "other project's runs"]),
        PurgingWrite(
            what: "test changed", method: "PUT", target: "\(Path.tests)/t", body: "{}",
            gone: listsOfReports.union(["tests", "test t", "v1 tests"]), status: "200 OK"),
        PurgingWrite(
            what: "run started", method: "POST", target: "\(Path.iTwin)/runs/jobs",
            body: #"{"jobs":[{"testId":"t","iModelId":"m"}],"operation":"run"}"#, gone: listsOfReports,
            mayGo: ["test t"]),
        PurgingWrite(
            what: "run cancelled", method: "POST", target: "\(Path.iTwin)/runs/jobs/cancellation",
            body: job("a", operation: "cancel"), gone: listsOfReports.union(aboutA), mayGo: manual),
        PurgingWrite(
            what: "rule created", method: "POST", target: "\(Path.iTwin)/suppression-rules", body: "{}",
            gone: ["rules", "v1 rules"], status: "201 Created"),
        PurgingWrite(
            what: "rule changed", method: "PATCH", target: "\(Path.iTwin)/suppression-rules/r", body: "{}",
            gone: ["rules", "v1 rules", "rule r", "tests", "v1 tests", "test t"], status: "200 OK"),
        PurgingWrite(
            what: "rule deleted", method: "DELETE", target: "\(Path.iTwin)/suppression-rules/r",
            gone: ["rules", "v1 rules", "rule r", "tests", "v1 tests", "test t"], status: "204 No Content"),
        PurgingWrite(
            what: "suppressions applied", method: "POST", target: "\(Path.iTwin)/manual-suppressions", body: "{}",
            headers: [("clash-report-id", "a")], gone: listsOfReports.union(manual).union(aboutA),
            status: "200 OK"),
        PurgingWrite(
            what: "run in place", method: "POST", target: "\(Path.iTwin)/runs/jobs",
            body: #"{"jobs":[{"testId":"t","iModelId":"m"}],"operation":"run"}"#, headers: [("In-Place", "True")],
            gone: Set(pages.map(\.name)).subtracting([
                "other iTwin's reports", "other iTwin's report a", "other project's runs",
            ])),
        PurgingWrite(
            what: "unknown write", method: "PUT", target: "\(Path.iTwin)/news/7", body: "{}",
            gone: Set(pages.map(\.name)).subtracting([
                "other iTwin's reports", "other iTwin's report a", "other project's runs",
            ]), status: "200 OK"),
        PurgingWrite(
            what: "unknown write without an iTwin", method: "POST", target: "/clashdetection/news", body: "{}",
            gone: Set(pages.map(\.name)), status: "200 OK"),
    ]

    @Test("a write drops all that it makes untrue before its tool has the answer, and nothing else", arguments: table)
    func writes(write: PurgingWrite) async throws {
        try await withCache(Self.flags) { number, request in
            request.requestLine.hasPrefix("GET ")
                ? .bytes(numbered(number)) : .bytes(writeAnswer(write.status))
        } _: { rig, _ async throws in
            try await Self.fill(rig)
            let answer = try await rig.call(write.method, write.target, write.headers, body: write.body)
            #expect(answer.statusLine == "HTTP/1.1 \(write.status)")
            #expect(answer.cacheStatus == "clash-proxy; fwd=method")
            let gone = try await Self.gone(rig)
            #expect(write.gone.subtracting(gone).isEmpty, "still served from the cache")
            #expect(gone.subtracting(write.gone).subtracting(write.mayGo).isEmpty, "dropped for no reason")
        }
    }

    /// Reads every page once; all of them are stored then.
    private static func fill(_ rig: Rig) async throws {
        let client = try rig.connect()
        defer { client.close() }
        for _ in 0..<2 {
            for page in pages { _ = try await client.exchange(rig.request("GET", page.target, page.headers)) }
        }
        let gone = try await gone(rig)
        #expect(gone.isEmpty, "not stored to begin with")
    }

    /// The pages that do not come out of the cache.
    private static func gone(_ rig: Rig) async throws -> Set<String> {
        let client = try rig.connect()
        defer { client.close() }
        var gone: Set<String> = []
        for page in pages {
            let only = [("Cache-Control", "only-if-cached")]
            let answer = try await client.exchange(rig.request("GET", page.target, page.headers + only))
            if answer.status == 504 { gone.insert(page.name) }
        }
        return gone
    }

    // MARK: By what came of it

    private static let deletes: [(method: String, target: String, body: String?)] = [
        ("POST", Path.deletion, job("a")), ("DELETE", "/clashdetection/runs/a", nil),
    ]

    @Test(
        "a delete purges when it was or may have been carried out: done, not found, or a server error",
        arguments: [
            "202 Accepted", "200 OK", "204 No Content", "404 Not Found", "410 Gone", "500 Internal Server Error",
            "502 Bad Gateway", "503 Service Unavailable",
        ])
    func answered(status: String) async throws {
        for delete in Self.deletes {
            // The read that settles a delete does not find the report any more.
            let deleted = Latch()
            try await withCache(Self.flags) { number, request in
                guard request.requestLine.hasPrefix("GET ") else {
                    deleted.open()
                    return .bytes(writeAnswer(status))
                }
                let isGone = deleted.isOpen && request.requestLine.contains("/a ")
                return .bytes(isGone ? json("{}", status: "404 Not Found") : numbered(number))
            } _: { rig, _ async throws in
                try await Self.fill(rig)
                let answer = try await rig.call(delete.method, delete.target, body: delete.body)
                // After a server error the read proves that it is gone, and the tool hears what it would have heard.
                let settled = delete.method == "POST" ? "202 Accepted" : "204 No Content"
                #expect(answer.statusLine == "HTTP/1.1 \(status.hasPrefix("5") ? settled : status)")
                let gone = try await Self.gone(rig)
                #expect(gone.isSuperset(of: Self.listsOfReports.union(["report a", "v1 run a", "v1 result a"])))
            }
        }
    }

    @Test(
        "a delete that upstream refused purges nothing",
        arguments: [
            "400 Bad Request", "401 Unauthorized", "403 Forbidden", "409 Conflict", "422 Unprocessable Content",
            "429 Too Many Requests",
        ])
    func refused(status: String) async throws {
        for delete in Self.deletes {
            try await withCache(Self.flags) { number, request in
                request.requestLine.hasPrefix("GET ") ? .bytes(numbered(number)) : .bytes(writeAnswer(status))
            } _: { rig, _ async throws in
                try await Self.fill(rig)
                let answer = try await rig.call(delete.method, delete.target, body: delete.body)
                #expect(answer.status == Int(status.prefix(3)))
                #expect(try await Self.gone(rig).isEmpty)
            }
        }
    }

    @Test("a delete that was sent and not answered purges", arguments: [Fault.executeThenClose, .executeThenReset])
    func unanswered(fault: Fault) async throws {
        try await withCachedWorld(Self.flags) { rig async throws in
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[0]
            let legacy = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            let pages = [
                "\(rig.v2)/reports?$top=100", "\(rig.v2)/reports/\(report)", "/clashdetection/runs/\(legacy)",
                "/clashdetection/runs?projectId=\(rig.iTwin)&$top=100",
            ]
            for page in pages { #expect(try await rig.get(page).status == 200) }
            rig.simulator.inject(fault, where: RequestFilter(method: "POST"), times: 1)
            // A read settles it: the report is gone, so the tool is told that it was done.
            let answer = try await rig.call("POST", "\(rig.v2)/reports/jobs/deletion", body: job(report))
            #expect(answer.status == 202, "\(answer.text)")
            for page in pages {
                let after = try await rig.get(page)
                #expect(!after.cacheStatus.contains("hit"), "\(page)")
                #expect(after.status == 404 || !after.text.contains(report), "\(page)")
            }
        }
    }

    @Test(
        "a write of which nobody knows what became drops everything of its iTwin, or all if it names none",
        arguments: [
            ("POST", Path.tests, "{}"), ("POST", Path.deletion, job("a")), ("PUT", "/clashdetection/tests/t", "{}"),
        ])
    func unknownOutcome(method: String, target: String, body: String) async throws {
        try await withCache(Self.flags) { number, request in
            if !request.requestLine.hasPrefix("GET ") { return .reset }
            // The read that might settle it fails, too.
            let isSettling = number > Self.pages.count + 1
            return .bytes(isSettling ? json("{}", status: "500 Internal Server Error") : numbered(number))
        } _: { rig, _ async throws in
            try await Self.fill(rig)
            let answer = try await rig.settling(isSimulated: false) { try await rig.call(method, target, body: body) }
            answer.expectError(504, "OutcomeUnknown", reason: "outcome-unknown")
            let others: Set = ["other iTwin's reports", "other iTwin's report a", "other project's runs"]
            let gone = try await Self.gone(rig)
            let all = Set(Self.pages.map(\.name))
            #expect(gone == (target.hasPrefix(Path.iTwin) ? all.subtracting(others) : all))
        }
    }

    @Test("a delete that was never sent purges nothing")
    func notSent() async throws {
        try await withCache(Self.flags) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            try await Self.fill(rig)
            origin.server.stop()
            try await eventually("nobody listens") { origin.server.isClosed }
            let answer = try await rig.call("POST", Path.deletion, body: job("a"))
            #expect(answer.status == 502, "\(answer.text)")
            #expect(try await Self.gone(rig).isEmpty)
        }
    }

    @Test("a delete that the proxy itself refused purges nothing")
    func denied() async throws {
        try await withCache(Self.flags + ["audit.require_reason=true"]) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            try await Self.fill(rig)
            let count = origin.count
            #expect(try await rig.call("POST", Path.deletion, body: job("a")).status == 428)
            let foreign = [("Origin", "https://evil.example"), ("X-Audit-Reason", "r")]
            #expect(try await rig.call("DELETE", "/clashdetection/runs/a", foreign).status == 403)
            #expect(try await Self.gone(rig).isEmpty && origin.count == count)
        }
    }

    @Test("reads purge nothing, whatever comes of them")
    func reads() async throws {
        try await withCache(Self.flags) { number, _ in
            .bytes(numbered(number))
        } _: { rig, origin async throws in
            try await Self.fill(rig)
            origin.become(always: json("{}", status: "404 Not Found"))
            for target in ["\(Path.reports)/x", "\(Path.iTwin)/news"] { _ = try await rig.get(target) }
            _ = try await rig.call("OPTIONS", Path.reports)
            #expect(try await Self.gone(rig).isEmpty)
        }
    }

    // MARK: In the simulated world

    @Test(
        "after a delete no page shows the report, in both versions, for deletes of both versions",
        arguments: ["v1", "v2"])
    func world(version: String) async throws {
        try await withCachedWorld(Self.flags) { rig async throws in
            let other = rig.simulator.iTwinIDs[1]
            let report = rig.simulator.reportIDs(iTwin: rig.iTwin)[3]
            let legacy = try #require(rig.simulator.legacyID(project: rig.iTwin, entity: report))
            let lists = [
                "\(rig.v2)/reports", "\(rig.v2)/reports?$top=100", "\(rig.v2)/reports?%24top=7",
                "/clashdetection/runs?projectId=\(rig.iTwin)&$top=100", "/clashdetection/runs?projectId=\(rig.iTwin)",
            ]
            let objects = ["\(rig.v2)/reports/\(report)", "/clashdetection/runs/\(legacy)"]
            let others = [
                "/clash-detection/itwins/\(other)/reports", "\(rig.v2)/suppression-templates",
                "\(rig.v2)/suppression-rules?name=rule",
            ]
            for target in lists + objects + others { #expect(try await rig.get(target).status == 200, "\(target)") }
            let answer =
                version == "v2"
                ? try await rig.call("POST", "\(rig.v2)/reports/jobs/deletion", body: job(report))
                : try await rig.call("DELETE", "/clashdetection/runs/\(legacy)")
            #expect(answer.status == (version == "v2" ? 202 : 204))
            for target in lists {
                let page = try await rig.get(target)
                page.expectForwarded("uri-miss; stored", target)
                #expect(page.status == 200 && !page.text.contains(report) && !page.text.contains(legacy), "\(target)")
            }
            for target in objects { #expect(try await rig.get(target).status == 404, "\(target)") }
            let watch = Stopwatch()
            for target in others where version == "v2" || !target.contains(other) {
                (try await rig.get(target)).expectHit(lifetime: 3_600, watch, target)
            }
        }
    }
}
