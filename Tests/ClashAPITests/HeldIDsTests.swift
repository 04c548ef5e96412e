// Which ids a body holds, wherever in it they stand, and how a write finds them.

import HTTPTypes
import Testing

@testable import ClashAPI

@Suite("Ids held by bodies")
struct HeldIDsTests {
    private static let guid = "0badcafe-0000-4000-8000-00000000000a"

    private func held(_ body: String, chunk: Int = .max) throws -> HeldIDs {
        var scanner = ResponseRowScanner(operation: try #require(Operation.named("v2.tests.list")))
        let bytes = Array(body.utf8)
        for start in stride(from: 0, to: bytes.count, by: min(chunk, bytes.count)) {
            scanner.consume(Array(bytes[start..<min(start + min(chunk, bytes.count), bytes.count)]))
        }
        return scanner.finish().held
    }

    private func holds(_ id: String, _ body: String, chunk: Int = .max) throws -> Bool {
        !Set(HeldIDs.hashes(of: id)).isDisjoint(with: try held(body, chunk: chunk).hashes)
    }

    @Test(
        "a GUID is found in any depth, spelling and string",
        arguments: [
            #"{"tests":[{"id":"t","lastRun":{"id":"GUID","status":1}}]}"#, #"{"a":{"b":[["GUID"]]}}"#,
            #"{"x":"https://h/itwins/i/reports/GUID?x=1"}"#, #"{"x":"https:\/\/h\/reports\/GUID"}"#,
            #"{"GUID":1}"#, #"{"x":"{\"id\":\"GUID\"}"}"#, #"{"x":"clash_GUID"}"#, #"["GUID"]"#, #"{"x":"\u0020GUID"}"#,
        ])
    func guids(template: String) throws {
        let bare = Self.guid.filter { $0 != "-" }
        for spelling in [Self.guid, Self.guid.uppercased(), "{\(Self.guid)}"] {
            let body = template.replacing("GUID", with: spelling)
            for chunk in [1, 7, .max] { #expect(try holds(Self.guid, body, chunk: chunk), "\(body)") }
            #expect(try holds(Self.guid.uppercased(), body) && !holds("1" + Self.guid.dropFirst(), body))
        }
        if template.contains(#""GUID""#) { #expect(try holds(Self.guid, template.replacing("GUID", with: bare))) }
    }

    @Test("a v1 id is found as it stands and by the GUIDs in it, from both sides")
    func v1() throws {
        let body = #"{"result":{"href":"https://h/clashdetection/runs/ID"}}"#
        #expect(try holds(SampleIDs.run, body.replacing("ID", with: SampleIDs.run)))
        #expect(try holds(SampleIDs.runGUID, body.replacing("ID", with: SampleIDs.run)))
        #expect(try holds(SampleIDs.run, body.replacing("ID", with: SampleIDs.runGUID)))
        #expect(try holds(SampleIDs.run, body.replacing("ID", with: SampleIDs.result)), "a result holds its run")
        #expect(try !holds(SampleIDs.project, body.replacing("ID", with: SampleIDs.run)), "the project is no object")
        #expect(try !holds(SampleIDs.test, body.replacing("ID", with: SampleIDs.run)))
    }

    @Test("an id of no known shape is found where a member is named like one")
    func named() throws {
        #expect(try holds("r1", #"{"tests":[{"lastRun":{"id":"r1"}}]}"#))
        #expect(try holds("r1", #"{"a":{"reportId":"r1"}}"#) && holds("r1", #"{"a":{"ruleIds":["x","r1"]}}"#))
        #expect(try !holds("r1", #"{"a":{"name":"r1"}}"#) && !holds("R1", #"{"id":"r1"}"#))
        #expect(try !holds("0x10", #"{"elementAId":"0x10"}"#), "elements are no objects of the API")
    }

    @Test("more ids than are kept count as any")
    func bounded() throws {
        let many = (0..<HeldIDs.capacity + 10).map { #""\#($0)-x""# }.joined(separator: ",")
        let found = try held(#"{"ids":[\#(many)]}"#)
        #expect(found.areIncomplete && found.hashes.count <= HeldIDs.capacity)
        let same = Array(repeating: #""same""#, count: 3 * HeldIDs.capacity).joined(separator: ",")
        let few = try held(#"{"ids":[\#(same)]}"#)
        #expect(!few.areIncomplete && few.hashes.count <= HeldIDs.capacity)
    }

    @Test("a body's coding is none where nothing was done to it")
    func codings() {
        for value in ["identity", "", " ", "Identity , ", ",identity,,"] {
            #expect(ContentCoding([.contentEncoding: value]).isNone, "\(value)")
        }
        #expect(ContentCoding([:]).isNone && !ContentCoding([.contentEncoding: "gzip"]).isNone)
        for value in ["gzip", "identity, gzip", "GZIP", "x-gzip", "gzip,"] {
            #expect(ContentCoding([.contentEncoding: value]).isGzip, "\(value)")
        }
        #expect(!ContentCoding([.contentEncoding: "gzip, gzip"]).isGzip)
        #expect(!ContentCoding([.contentEncoding: "br"]).isGzip && !ContentCoding([.contentEncoding: "br"]).isNone)
    }

    @Test("what a started run will be shown under is read off the answer to its start")
    func startedRuns() {
        let v2 = #"{"runs":[{"testId":"t","clashReportId":"r1","status":"Queued"},{"clashReportId":"r2"}]}"#
        let runs = StartedRunIDs.find(in: Array(v2.utf8))
        #expect(runs.map(\.ids) == [["r1"], ["r2"]] && runs.map(\.testID) == ["t", nil], "each by itself")
        let v1 = #"{"run":{"id":"r","_links":{"run":{"href":"x","id":"no"}}}}"#
        #expect(StartedRunIDs.find(in: Array(v1.utf8)).map(\.ids) == [["r"]])
        #expect(StartedRunIDs.find(in: Array("{}".utf8)).isEmpty && StartedRunIDs.find(in: []).isEmpty)
    }
}
