// Which run a start has made whose answer was lost: only what cannot be otherwise.

import Ground
import HTTPTypes
import Testing

@testable import ClashAPI

@Suite struct RunSearchTests {
    private static let itwin = "38b7e366-0000-4000-8000-000000000001"
    private static let test = "11111111-2222-4333-8444-555555555555"
    private static let model = "aaaaaaaa-2222-4333-8444-555555555555"
    private static let changeset = "cccccccc-2222-4333-8444-555555555555"

    private func start(inPlace: String? = nil, changeset: String? = nil) throws -> RunStart {
        let set = changeset.map { #","changesetId":"\#($0)""# } ?? ""
        let body = #"{"jobs":[{"testId":"\#(Self.test)","iModelId":"\#(Self.model)"\#(set)}],"operation":"run"}"#
        let target = "/clash-detection/itwins/\(Self.itwin)/runs/jobs"
        let headers = HTTPFields(inPlace.map { [("In-Place", $0)] } ?? [])
        return try #require(RunStart(resolve(.post, target, body: body, headers: headers), body: Array(body.utf8)))
    }

    /// A row as upstream writes it.
    private func row(
        _ id: String, test: String? = test, job: String = "j", changeset: String = changeset, second: Int = 30
    ) -> String {
        let test = test.map { #""configurationId":"\#($0)","# } ?? ""
        return #"{"id":"\#(id)",\#(test)"jobId":"\#(job)","changesetId":"\#(changeset)","#
            + #""executed":"2026-11-22T07:33:\#(second < 10 ? "0" : "")\#(second)Z","status":0}"#
    }

    private func page(_ rows: [String], isWhole: Bool = true) throws -> RunPage {
        let next = isWhole ? "null" : #"{"href":"https://x/next"}"#
        let text = #"{"count":9,"reports":[\#(rows.joined(separator: ","))],"_links":{"next":\#(next)}}"#
        return try #require(RunPage(Array(text.utf8), .v2))
    }

    /// 07:33:20 that day.
    private let date: Int64 = 1_795_332_800

    private func find(
        _ start: RunStart, before: [String], after: [String], isWhole: Bool = true, within: Duration = .seconds(20)
    ) throws -> KnownRuns.Finding {
        let known = KnownRuns(try page(before, isWhole: isWhole), before: start, date: date)
        // What a later process reads is the same.
        let written = try #require(JSON(Array(known.json.text.utf8)))
        #expect(KnownRuns(json: written) == known)
        return known.find(start, in: try page(after, isWhole: isWhole), within: within)
    }

    private func id(of finding: KnownRuns.Finding) -> String? {
        if case .found(let row) = finding { row.id } else { nil }
    }

    private func isUnclear(_ finding: KnownRuns.Finding) -> Bool {
        if case .unclear = finding { true } else { false }
    }

    @Test("the date of these tests is what they take it for")
    func dates() throws {
        #expect(RFC3339.time("2026-11-22T07:33:20Z")?.seconds == date)
    }

    @Test("one new run of the test is the one; runs of other tests and old ones are not")
    func one() throws {
        let start = try start()
        let old = [row("old", second: 10), row("else", test: "other", second: 11)]
        #expect(try find(start, before: old, after: old) == .none)
        #expect(try id(of: find(start, before: old, after: [row("new")] + old)) == "new")
        #expect(try find(start, before: old, after: [row("foreign", test: "other")] + old) == .none)
        #expect(try id(of: find(start, before: [], after: [row("new")])) == "new")
    }

    @Test("two new ones, or one of no known test, are not surely this start's")
    func notOne() throws {
        let start = try start()
        #expect(try isUnclear(find(start, before: [], after: [row("a"), row("b")])))
        #expect(try isUnclear(find(start, before: [], after: [row("a", test: nil)])))
        #expect(try isUnclear(find(start, before: [], after: [row("a"), row("b", test: nil)])))
    }

    @Test("a run of another changeset is another start's")
    func changesets() throws {
        let start = try start(changeset: Self.changeset.uppercased())
        #expect(try find(start, before: [], after: [row("a", changeset: "d")]) == .none)
        #expect(try id(of: find(start, before: [], after: [row("a", changeset: "d"), row("b")])) == "b")
    }

    @Test("a time is never a reason for a run, only against one")
    func times() throws {
        let start = try start()
        #expect(try isUnclear(find(start, before: [], after: [row("a", second: 10)])), "before the start")
        #expect(try isUnclear(find(start, before: [], after: [row("a", second: 50)])), "long after it")
        #expect(try id(of: find(start, before: [], after: [row("a", second: 20)])) == "a")
        #expect(try isUnclear(find(start, before: [], after: [row("a"), row("b", second: 50)])))
    }

    @Test("on the first of several pages only what is younger than all that was there counts")
    func pages() throws {
        let start = try start()
        let old = [row("old", second: 25)]
        #expect(try id(of: find(start, before: old, after: [row("new")] + old, isWhole: false)) == "new")
        #expect(try isUnclear(find(start, before: old, after: old + [row("moved", second: 24)], isWhole: false)))
    }

    @Test("a run in place is told by the work behind its report, and only where it was asked for")
    func inPlace() throws {
        let before = [row("r", job: "one")]
        let after = [row("r", job: "two")]
        #expect(try id(of: find(start(inPlace: "True"), before: before, after: after)) == "r")
        #expect(try find(start(inPlace: "True"), before: before, after: before) == .none)
        #expect(try find(start(), before: before, after: after) == .none)
        #expect(try id(of: find(start(inPlace: "force"), before: [], after: after)) == "r")
    }

    @Test("a start is kept as it was; what names no test or several cannot be found again")
    func starts() throws {
        let start = try start(inPlace: "True", changeset: Self.changeset)
        let written = try #require(JSON(Array(start.json.text.utf8)))
        #expect(RunStart(json: written) == start)
        #expect(start.listTarget == "/clash-detection/itwins/\(Self.itwin)/reports?$top=100")
        #expect(start.listFields.map(\.value) == [Self.model])
        let target = "/clash-detection/itwins/\(Self.itwin)/runs/jobs"
        for jobs in ["[]", #"[{"testId":"a"},{"testId":"b"}]"#] {
            let body = #"{"jobs":\#(jobs),"operation":"run"}"#
            #expect(RunStart(resolve(.post, target, body: body), body: Array(body.utf8)) == nil)
        }
        let cancel = #"{"jobs":[{"testId":"a"}],"operation":"cancel"}"#
        #expect(RunStart(resolve(.post, target, body: cancel), body: Array(cancel.utf8)) == nil)
    }

    @Test("v1: the project comes from the test's id, a run's test from its link; the answer is v1's")
    func legacy() throws {
        let body = #"{"testId":"\#(SampleIDs.test)","iModelId":"\#(Self.model)","namedVersionId":"n"}"#
        let match = resolve(.post, "/clashdetection/runs", body: body)
        let start = try #require(RunStart(match, body: Array(body.utf8)))
        #expect(start.listTarget.hasPrefix("/clashdetection/runs?projectId=") && start.listFields.count == 1)
        func page(_ ids: [String]) throws -> RunPage {
            let rows = ids.map {
                #"{"id":"\#($0)","status":"started","_links":{"test":{"href":"https://x/tests/\#(SampleIDs.test)?a=b"}}}"#
            }
            return try #require(RunPage(Array(#"{"runs":[\#(rows.joined(separator: ","))]}"#.utf8), .v1))
        }
        let known = KnownRuns(try page(["a"]), before: start, date: nil)
        let found = known.find(start, in: try page(["b", "a"]), within: .seconds(1))
        guard case .found(let row) = found else {
            Issue.record("\(found)")
            return
        }
        #expect(row.id == "b" && start.answerStatus == 201)
        #expect(
            String(decoding: start.answer(row, base: "https://api.bentley.com"), as: UTF8.self)
                == #"{"run":{"id":"b","_links":{"run":{"href":"https://api.bentley.com/clashdetection/runs/b"}}}}"#)
        let opaque = #"{"testId":"opaque"}"#
        let unknown = resolve(.post, "/clashdetection/runs", body: opaque)
        #expect(RunStart(unknown, body: Array(opaque.utf8)) == nil, "whose project it is cannot be told")
    }

    @Test(
        "what is no list of runs is none",
        arguments: ["", "[]", "{}", #"{"reports":{}}"#, #"{"reports":[{}]}"#, #"{"reports":[1"#])
    func noPage(text: String) { #expect(RunPage(Array(text.utf8), .v2) == nil) }
}
