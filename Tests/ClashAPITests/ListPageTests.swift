// Pages of paged lists: what a query asks for, and where rows and links stand in a page.

import HTTPTypes
import Testing

@testable import ClashAPI

@Suite struct ListPageTests {
    private func route(_ target: String) -> RouteMatch { ClashAPI.match(method: .get, target: target) }
    private let reports = "/clash-detection/itwins/i/reports"

    private func query(_ target: String) -> ListQuery? { ListQuery(route(target)) }

    // MARK: Queries

    @Test("what a query says is read in every spelling")
    func reads() throws {
        let query = try #require(self.query("\(reports)?%24top=7&$continuationToken=Mg%3D%3D"))
        #expect(query.top == 7 && query.token == Array("Mg%3D%3D".utf8) && query.filters.isEmpty)
        let none = try #require(self.query(reports))
        #expect(none.top == nil && none.token == nil && none.skip == nil)
        let filtered = try #require(
            self.query("/clash-detection/itwins/i/tests?name=a%20b&$top=500&orderBy=name"))
        #expect(filtered.filters == Array("name=a%20b&orderBy=name".utf8) && filtered.top == 500)
        let skipped = try #require(
            self.query("/clash-detection/itwins/i/manual-suppressions?clashReportId=r&$skip=20&$top=5"))
        #expect(skipped.skip == 20 && skipped.top == 5 && skipped.filters == Array("clashReportId=r".utf8))
    }

    @Test(
        "what is not understood is upstream's to understand",
        arguments: [
            "?$top=101", "?$top=0", "?$top=", "?$top=+5", "?$top=5&$top=5", "?$top=5&%24top=5", "?top=5", "?$TOP=5",
            "?$skip=5", "?x=1", "?$top=5;x=1", "?$continuationToken=", "?continuationToken=a", "?$top=1234567890",
            "?&$continuationToken=a&$continuationToken=b",
        ])
    func odd(suffix: String) { #expect(query(reports + suffix) == nil) }

    @Test("operations that are not paged have no such query")
    func notPaged() {
        for target in ["/clashdetection/runs?projectId=p", "\(reports)/r", "/clash-detection/x"] {
            #expect(query(target) == nil, "\(target)")
        }
    }

    @Test("targets of fetches and of pages say what the tool said besides")
    func targets() throws {
        let route = self.route("/clash-detection/itwins/I/Tests?name=a%20b&$top=5")
        let query = try #require(ListQuery(route))
        #expect(
            route.listTarget(query, top: 500, token: Array("Mg==".utf8), skip: 0)
                == "/clash-detection/itwins/I/Tests?$top=500&$continuationToken=Mg==&name=a%20b")
        #expect(
            String(decoding: route.pageTarget(query, top: 5, token: "cp1.x"), as: UTF8.self)
                == "/clash-detection/itwins/I/Tests?$top=5&$continuationToken=cp1.x&name=a%20b")
        let bare = self.route(reports)
        #expect(bare.pageTarget(try #require(ListQuery(bare)), top: nil, token: nil) == Array(reports.utf8))
    }

    // MARK: Pages

    private func parts(_ page: String, _ operation: String = "v2.reports.list") -> ListPageParts? {
        guard let operation = Operation.named(operation) else { return nil }
        return ListPageParts(Array(page.utf8).span, of: operation)
    }

    private func text(_ page: String, _ range: Range<Int>) -> String {
        String(decoding: Array(page.utf8)[range], as: UTF8.self)
    }

    @Test("rows, count and links are found wherever they stand")
    func found() throws {
        let page = #"""
            {"_links":{"self":{"href":"a"},"odd":{"x":[1]},"prev":null,"next":{"href":"h?$top=2&$continuationToken=Mg=="}},
             "count": 12, "reports": [ {"id":"a]","n":{"m":[]}} , {"id":"b"}], "more":{"reports":[]}}
            """#
        let parts = try #require(self.parts(page))
        #expect(parts.rows.map { text(page, $0) } == [#"{"id":"a]","n":{"m":[]}}"#, #"{"id":"b"}"#])
        #expect(text(page, parts.count) == "12" && parts.goesOn && parts.prev == .none)
        #expect(parts.next == .token(Array("Mg==".utf8)))
        #expect(parts.otherLinks.map { text(page, $0) } == [#""odd":{"x":[1]}"#])
        #expect(text(page, parts.links).hasPrefix("{\"self\"") && text(page, parts.links).hasSuffix("}}"))
    }

    @Test("a link may be escaped, and one without a token is a link all the same")
    func links() throws {
        let escaped = try #require(
            parts(#"{"reports":[],"_links":{"next":{"href":"h?\u0024continuationToken=a%2Bb&x"}}}"#))
        #expect(escaped.next == .token(Array("a%2Bb".utf8)) && escaped.prev == .missing)
        #expect(try #require(parts(#"{"reports":[],"_links":{"next":{"href":"h?page=2"}}}"#)).next == .token([]))
        #expect(try #require(parts(#"{"reports":[],"_links":{"next":{}}}"#)).next == .none)
    }

    @Test(
        "what is no such page is none",
        arguments: [
            "", "[]", "{}", #"{"reports":[]}"#, #"{"_links":{}}"#, #"{"reports":[1],"_links":{}}"#,
            #"{"reports":{},"_links":{}}"#, #"{"reports":[],"reports":[],"_links":{}}"#,
            #"{"reports":[],"_links":{},"_links":{}}"#, #"{"reports":[],"_links":[]}"#, #"{"reports":[{}"#,
            #"{"tests":[],"_links":{}}"#, #"{"reports":[[]],"_links":{}}"#,
        ])
    func noPage(page: String) { #expect(parts(page) == nil) }
}
