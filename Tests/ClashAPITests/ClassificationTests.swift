import HTTPTypes
import Testing

@testable import ClashAPI

@Suite("Classification")
struct ClassificationTests {
    static let v2 = OperationTableTests.v2
    static let id = OperationTableTests.id

    struct Unknown: Sendable {
        let method: String
        let target: String
        var body = ""
        let name: String
        let expected: OperationClass
    }

    static let unknowns: [Unknown] = [
        Unknown(method: "GET", target: "/clash-detection/news", name: "v2.unknown", expected: .read),
        Unknown(method: "HEAD", target: "/clashdetection/news", name: "v1.unknown", expected: .read),
        Unknown(method: "OPTIONS", target: "\(v2)/tests", name: "v2.unknown", expected: .read),
        Unknown(method: "GET", target: "/imodels/x", name: "unknown", expected: .read),
        Unknown(method: "POST", target: "\(v2)/news", body: "{}", name: "v2.unknown", expected: .write),
        Unknown(method: "PUT", target: "/clashdetection/news", body: "{}", name: "v1.unknown", expected: .write),
        Unknown(method: "PATCH", target: "/clashdetection/tests/x", body: "{}", name: "v1.unknown", expected: .write),
        Unknown(method: "MERGE", target: "\(v2)/news", name: "v2.unknown", expected: .delete),
        Unknown(method: "DELETE", target: "\(v2)/reports/\(id)", name: "v2.unknown", expected: .delete),
        Unknown(method: "DELETE", target: "/anything", name: "unknown", expected: .delete),
        Unknown(method: "delete", target: "\(v2)/news", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/news/jobs/deletion", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/reports/jobs/deletion/now", name: "v2.unknown", expected: .delete),
        Unknown(method: "PUT", target: "\(v2)/reports/jobs/deletion", name: "v2.unknown", expected: .delete),
        Unknown(method: "MERGE", target: "\(v2)/reports/jobs/deletion", name: "v2.unknown", expected: .delete),
        Unknown(method: "post", target: "\(v2)/reports/jobs/deletion", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/news/DE%4cETION", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/news/bulkDelete", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/news/removal", name: "v2.unknown", expected: .delete),
        Unknown(method: "POST", target: "/imodels/purge", name: "unknown", expected: .delete),
        Unknown(method: "POST", target: "\(v2)/news?x=deletion", name: "v2.unknown", expected: .write),
        Unknown(method: "GET", target: "\(v2)/reports/jobs/deletion", name: "v2.unknown", expected: .delete),
        Unknown(method: "GET", target: "\(v2)/news/removed", name: "v2.unknown", expected: .read),
        Unknown(
            method: "POST", target: "\(v2)/news", body: #"{"operation":"delete"}"#, name: "v2.unknown",
            expected: .delete),
        // A create that says delete is no create.
        Unknown(
            method: "POST", target: "\(v2)/tests", body: #"{"name":"n","operation":"delete"}"#, name: "v2.unknown",
            expected: .delete),
        Unknown(
            method: "PUT", target: "/clashdetection/tests/x", body: #"{"operation":"Delete"}"#, name: "v1.unknown",
            expected: .delete),
    ]

    @Test("unknown calls are classed by method, path and body", arguments: unknowns)
    func unknown(call: Unknown) throws {
        let method = try #require(HTTPRequest.Method(call.method))
        let match = resolve(method, call.target, body: call.body)
        #expect(match.operation.name == call.name)
        #expect(match.operationClass == call.expected)
        #expect(!match.isKnown)
    }

    @Test("an id that happens to contain a word of destruction changes nothing")
    func harmlessIDs() {
        let match = resolve(.put, "/clashdetection/tests/xxdeletionxx", body: "{}")
        #expect(match.operation.name == "v1.tests.update")
        #expect(match.operationClass == .write)
    }

    @Test("a v2 delete keeps its name and class whatever its body says or lacks")
    func deletionByPath() {
        for body in ["", "{}", #"{"jobs":["a"],"operation":"run"}"#, "not json", "{broken"] {
            let match = resolve(.post, "\(Self.v2)/reports/jobs/deletion", body: body)
            #expect(match.operation.name == "v2.reports.delete")
            #expect(match.operationClass == .delete)
        }
    }

    @Test("a body that cannot be read makes POST, PUT and PATCH a delete, and keeps the row for the run window")
    func unreadable() {
        let start = resolve(.post, "\(Self.v2)/runs/jobs", body: #"{"operation":"run""#)
        #expect(start.operationClass == .delete)
        #expect(start.operation.countsAsRun)
        #expect(resolve(.patch, "\(Self.v2)/suppression-rules/x", body: "{]").operationClass == .delete)
        #expect(resolve(.put, "/clashdetection/tests/x", body: "[").operationClass == .delete)
    }

    @Test("bodies of GET, HEAD, OPTIONS and DELETE are not looked at")
    func safeMethods() {
        for method: HTTPRequest.Method in [.get, .head, .options] {
            let match = resolve(method, "\(Self.v2)/tests", body: #"{"operation":"delete"}"#)
            #expect(match.operationClass == .read)
            #expect(!match.route.bodyDecides)
        }
        let match = resolve(.delete, "/clashdetection/runs/x", body: #"{"operation":"read"}"#)
        #expect(match.operation.name == "v1.runs.delete")
        #expect(match.operationClass == .delete)
    }

    @Test("cancel and delete in one body is a delete")
    func deleteWins() {
        let body = #"{"operation":"cancel","operation":"delete","jobs":["a"]}"#
        #expect(resolve(.post, "\(Self.v2)/runs/jobs", body: body).operation.name == "v2.runs.delete")
    }

    @Test("cancelling is recognised for the audit")
    func cancel() {
        let match = resolve(.post, "\(Self.v2)/runs/jobs", body: #"{"jobs":["a"],"operation":"Cancel"}"#)
        #expect(match.operation.isCancel)
        #expect(!match.operation.countsAsRun)
        #expect(!resolve(.post, "\(Self.v2)/runs/jobs", body: #"{"operation":"run"}"#).operation.isCancel)
    }

    @Test(
        "a v2 run is in place when the header does not plainly say no",
        arguments: [
            ("True", true), ("force", true), ("Force", true), ("1", true), ("False", false), (" false ", false),
            ("", false),
        ])
    func inPlaceHeader(value: String, expected: Bool) {
        let headers = HTTPFields([("in-place", value)])
        let match = resolve(.post, "\(Self.v2)/runs/jobs", body: #"{"operation":"run"}"#, headers: headers)
        #expect(match.isInPlaceRun == expected)
        #expect(match.operationClass == .run)
    }

    @Test("a repeated header cannot hide an in-place run")
    func inPlaceRepeated() {
        let headers = HTTPFields([("In-Place", "False"), ("In-Place", "Force")])
        #expect(resolve(.post, "\(Self.v2)/runs/jobs", body: "{}", headers: headers).isInPlaceRun)
    }

    @Test(
        "a v1 run is in place when its body does not plainly say no",
        arguments: [
            (#"{"inPlace":"true"}"#, true), (#"{"inPlace":"force"}"#, true), (#"{"InPlace":true}"#, true),
            (#"{"inPlace":1}"#, true), (#"{"inPlace":"false"}"#, false), (#"{"inPlace":false}"#, false),
            (#"{"inPlace":null}"#, false), (#"{}"#, false), (#"{"inPlace":"false","inPlace":"true"}"#, true),
        ])
    func inPlaceBody(body: String, expected: Bool) {
        #expect(resolve(.post, "/clashdetection/runs", body: body).isInPlaceRun == expected)
    }

    @Test("only runs are in place")
    func inPlaceElsewhere() {
        let headers = HTTPFields([("In-Place", "True")])
        #expect(!resolve(.post, "\(Self.v2)/tests", body: #"{"inPlace":true}"#, headers: headers).isInPlaceRun)
    }

    @Test("the iTwin comes from the path, projectId in query or body, or a v1 id")
    func itwin() {
        let project = SampleIDs.project
        #expect(resolve(.get, "/clash-detection/itwins/AbC/news/1").itwin == "AbC")
        #expect(resolve(.get, "/clashdetection/tests?%70rojectId=\(project)").itwin == project)
        #expect(resolve(.post, "/clashdetection/tests", body: #"{"projectId":"\#(project)"}"#).itwin == project)
        #expect(resolve(.get, "/clashdetection/runs/\(SampleIDs.run)").itwin == project)
        #expect(resolve(.post, "/clashdetection/runs", body: #"{"testId":"\#(SampleIDs.test)"}"#).itwin == project)
        #expect(resolve(.get, "/clashdetection/runs/not-an-id").itwin == nil)
        #expect(resolve(.get, "/clash-detection/news").itwin == nil)
    }

    @Test("an unknown delete names whatever in it looks like an id")
    func idsOfUnknown() {
        let match = resolve(.delete, "\(Self.v2)/news/\(Self.id)/parts/\(SampleIDs.run)/7")
        #expect(match.objectIDs == [Self.id, SampleIDs.run])
    }

    @Test("manual suppressions name their report in a header")
    func reportHeader() {
        let headers = HTTPFields([("Clash-Report-Id", Self.id)])
        let match = resolve(.post, "\(Self.v2)/manual-suppressions", body: "{}", headers: headers)
        #expect(match.objectIDs == [Self.id])
        let delete = resolve(
            .post, "\(Self.v2)/reports/jobs/deletion", body: #"{"jobs":["other"]}"#, headers: headers)
        #expect(delete.objectIDs == ["other"])
    }

    @Test("what a delete is about to destroy can be read where the API has a read for it")
    func readTargets() {
        let report = resolve(.post, "\(Self.v2)/reports/jobs/deletion", body: #"{"jobs":["r1"]}"#)
        #expect(report.readTarget(of: "r1") == "\(Self.v2)/reports/r1")
        let test = resolve(.post, "\(Self.v2)/tests/jobs/deletion", body: #"{"jobs":["t1"]}"#)
        #expect(test.readTarget(of: "t1") == "\(Self.v2)/tests/t1")
        #expect(resolve(.delete, "/clashdetection/runs/x").readTarget(of: "x") == "/clashdetection/runs/x")
        #expect(
            resolve(.delete, "/clashdetection/suppressionRules/x").readTarget(of: "x")
                == "/clashdetection/suppressionrules/x")
        #expect(resolve(.delete, "/clashdetection/news/x").readTarget(of: "x") == nil)
        for id in ["", "..", "a/b", "a?b", "a b", "ü", "%41"] { #expect(report.readTarget(of: id) == nil) }
        for sample in OperationTableTests.samples where sample.expected == .delete && !sample.ids.isEmpty {
            let match = resolve(sample.method, sample.target, body: sample.body)
            guard let target = match.readTarget(of: sample.ids[0]) else {
                Issue.record("no read for \(sample.name)")
                continue
            }
            let read = resolve(.get, target)
            #expect(read.isKnown && read.operationClass == .read && read.objectIDs == sample.ids, "\(sample.name)")
        }
    }
}
