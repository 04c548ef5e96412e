import TestSupport
import Testing

@testable import ClashAPI

@Suite("Response rows")
struct ResponseRowTests {
    /// The rows, which must not depend on how the body is cut.
    private func rows(_ name: String, _ body: String) throws -> ResponseRows {
        let operation = try #require(Operation.named(name))
        let bytes = Array(body.utf8)
        var whole = ResponseRowScanner(operation: operation)
        whole.consume(bytes)
        let rows = whole.finish()
        var random = SeededGenerator(seed: UInt64(bytes.count))
        for _ in 0..<20 {
            var pieces = ResponseRowScanner(operation: operation)
            for chunk in random.chunks(of: bytes, upTo: 5) { pieces.consume(chunk) }
            #expect(pieces.finish() == rows, "chunking changes the rows")
        }
        return rows
    }

    @Test("a page of finished reports is final")
    func finishedReports() throws {
        let rows = try rows(
            "v2.reports.list",
            #"""
            {"count":4,"reports":[
              {"id":"a","status":1,"testSettings":{"id":"no","status":0},"userMetadata":{"createdBy":{"name":"n"}}},
              {"status":2,"id":"b","vStatuses":{"new":1}}, {"id":"c","status":7}, {"id":"d","status":9,"list":[{"status":0}]}
            ],"_links":{"self":{"href":"x"},"prev":null}}
            """#)
        #expect(rows.count == 4)
        #expect(rows.ids == ["a", "b", "c", "d"])
        #expect(rows.statuses == ["1", "2", "7", "9"])
        #expect(rows.allTerminal)
        #expect(rows.isComplete)
    }

    @Test(
        "one row that is not final makes the page not final",
        arguments: [
            #"{"reports":[{"id":"a","status":1},{"id":"b","status":0}]}"#, #"{"reports":[{"id":"a","status":3}]}"#,
            #"{"reports":[{"id":"a"}]}"#, #"{"reports":[{"id":"a","status":null}]}"#,
            #"{"reports":[{"id":"a","status":{"code":1}}]}"#, #"{"reports":[{"id":"a","status":1},{"id":"b"}]}"#,
            #"{"reports":[{"id":"a","status":1}"#, #"{"reports":[{"id":"a","status":12}]}"#,
        ])
    func notFinal(body: String) throws {
        #expect(try !rows("v2.reports.list", body).allTerminal)
    }

    @Test("a report is as final as its metadata say")
    func report() throws {
        let body = #"{"metadata":{"id":"a","status":1,"jobId":"j"},"report":{"status":0,"clashes":[{"id":"c"}]}}"#
        let final = try rows("v2.reports.get", body)
        #expect(final.allTerminal)
        #expect(final.ids == ["a"])
        #expect(final.tags == ["report:a", "job:j"])
        #expect(try !rows("v2.reports.get", #"{"report":{},"metadata":{"id":"a","status":0}}"#).allTerminal)
        #expect(try !rows("v2.reports.get", #"{"report":{"status":1}}"#).allTerminal)
    }

    @Test("v1 statuses are words")
    func v1() throws {
        for word in ["completed", "completedToLimit", "failed", "cancelled", "Completed"] {
            #expect(try rows("v1.runs.get", #"{"run":{"id":"a","status":"\#(word)"}}"#).allTerminal)
        }
        for word in ["queued", "started", "downloadingIModel", "storingResults", "inProgress", ""] {
            #expect(try !rows("v1.runs.list", #"{"runs":[{"id":"a","status":"\#(word)"}]}"#).allTerminal)
        }
    }

    @Test("a v1 result has no status: it exists because its run has ended")
    func result() throws {
        #expect(try rows("v1.results.get", #"{"result":[{"id":"x","status":"queued"}]}"#).allTerminal)
    }

    @Test("lists without run status are final, and still tell their ids")
    func tests() throws {
        let rows = try rows("v2.tests.list", #"{"tests":[{"id":"A"},{"name":"n","id":"B"}],"_links":{}}"#)
        #expect(rows.allTerminal)
        #expect(rows.ids == ["A", "B"])
        #expect(rows.tags == ["test:A", "test:B"])
    }

    @Test("v1 rows are tagged by the entity their ids carry")
    func v1Tags() throws {
        let rows = try rows("v1.runs.list", #"{"runs":[{"id":"\#(SampleIDs.run)","status":"completed"}]}"#)
        #expect(rows.tags == ["run:\(SampleIDs.runGUID)"])
    }

    @Test("an empty list is final")
    func empty() throws {
        let rows = try rows("v2.reports.list", #"{"count":0,"reports":[],"_links":{}}"#)
        #expect(rows.allTerminal)
        #expect(rows.count == 0)
    }

    @Test("a body cut short or malformed is not complete and not final", arguments: ["", "{\"reports\":[", "{]", "x"])
    func broken(body: String) throws {
        let rows = try rows("v2.reports.list", body)
        #expect(!rows.isComplete)
        #expect(!rows.allTerminal)
    }

    @Test("rows beyond the bound are counted but not kept, and the page is not final")
    func tooMany() throws {
        let row = #"{"id":"i","status":1}"#
        let body =
            "{\"reports\":[" + Array(repeating: row, count: ResponseRowScanner.maxRows + 1).joined(separator: ",")
            + "]}"
        let operation = try #require(Operation.named("v2.reports.list"))
        var scanner = ResponseRowScanner(operation: operation)
        scanner.consume(Array(body.utf8))
        let rows = scanner.finish()
        #expect(rows.count == ResponseRowScanner.maxRows + 1)
        #expect(rows.ids.count == ResponseRowScanner.maxRows)
        #expect(!rows.isComplete && !rows.allTerminal)
    }

    @Test("escapes in names and ids are understood")
    func escapes() throws {
        let rows = try rows("v2.reports.list", #"{"re\u0070orts":[{"\u0069d":"a\u0062","stat\u0075s":"\u0031"}]}"#)
        #expect(rows.ids == ["ab"])
        #expect(rows.allTerminal)
    }
}
