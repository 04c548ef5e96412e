import TestSupport
import Testing

@testable import ClashAPI

@Suite("Link rewriter")
struct LinkRewriterTests {
    static let allowed = ["/clash-detection", "/clashdetection"]

    static func translator(base: String = "http://127.0.0.1:8080") throws -> LinkTranslator {
        LinkTranslator(
            rules: [
                try LinkRule("https://api.bentley.com"),
                try LinkRule("https://dev-api.bentley.com/apis/clash-detection-v2/operations => /clash-detection"),
            ],
            allowedPrefixes: allowed, base: base)
    }

    private func rewrite(_ chunks: [[UInt8]], base: String = "http://127.0.0.1:8080") throws -> (String, Bool) {
        var rewriter = LinkRewriter(translator: try Self.translator(base: base))
        var out: [UInt8] = []
        for chunk in chunks { rewriter.rewrite(chunk, into: &out) }
        rewriter.finish(into: &out)
        return (String(decoding: out, as: UTF8.self), rewriter.changed)
    }

    private func rewrite(_ text: String) throws -> String { try rewrite([Array(text.utf8)]).0 }

    static let page = #"""
        {
          "count": 2,
          "reports": [
            {"id": "5b2f", "configurationName": "https://api.bentley.com/clash-detection/x", "status": 1,
             "_links": {"test": {"href": "https://api.bentley.com/clash-detection/itwins/i1/tests/t1"}}},
            {"id": "77aa", "note": "\"_links\":{\"self\":{\"href\":\"https://api.bentley.com/clash-detection/y\"}}"}
          ],
          "_links": {
            "self": {"href": "https://dev-api.bentley.com/apis/clash-detection-v2/operations/itwins/i1/reports?$top=1&$continuationToken=MQ=="},
            "next" : { "title":"more", "href" :"https:\/\/dev-api.bentley.com\/apis\/clash-detection-v2\/operations\/itwins\/i1\/reports?\u0024top=1&$continuationToken=Mg==" },
            "prev": null
          }
        }

        """#

    static let rewrittenPage = #"""
        {
          "count": 2,
          "reports": [
            {"id": "5b2f", "configurationName": "https://api.bentley.com/clash-detection/x", "status": 1,
             "_links": {"test": {"href": "http://127.0.0.1:8080/clash-detection/itwins/i1/tests/t1"}}},
            {"id": "77aa", "note": "\"_links\":{\"self\":{\"href\":\"https://api.bentley.com/clash-detection/y\"}}"}
          ],
          "_links": {
            "self": {"href": "http://127.0.0.1:8080/clash-detection/itwins/i1/reports?$top=1&$continuationToken=MQ=="},
            "next" : { "title":"more", "href" :"http://127.0.0.1:8080/clash-detection/itwins/i1/reports?$top=1&$continuationToken=Mg==" },
            "prev": null
          }
        }

        """#

    @Test("the links of a page lead to this proxy, every other byte stays")
    func page() throws {
        let (text, changed) = try rewrite([Array(Self.page.utf8)])
        #expect(text == Self.rewrittenPage)
        #expect(changed)
    }

    @Test("cutting the page anywhere makes no difference")
    func everySplit() throws {
        let bytes = Array(Self.page.utf8)
        for position in 0...bytes.count {
            let (text, _) = try rewrite([Array(bytes[..<position]), Array(bytes[position...])])
            #expect(text == Self.rewrittenPage, "split at \(position)")
        }
        #expect(try rewrite(bytes.map { [$0] }).0 == Self.rewrittenPage)
    }

    @Test("no more than one link is ever held back")
    func latency() throws {
        var rewriter = LinkRewriter(translator: try Self.translator())
        var out: [UInt8] = []
        var longestLag = 0
        var growth = 0
        for byte in Self.page.utf8 {
            let before = out.count
            rewriter.rewrite([byte], into: &out)
            growth += 1
            if out.count > before { growth = 0 }
            longestLag = max(longestLag, growth)
        }
        #expect(longestLag < 200)
    }

    private func value(_ href: String) throws -> String {
        try rewrite(#"{"_links":{"x":{"href":"\#(href)"}}}"#)
    }

    @Test(
        "links that are rewritten",
        arguments: [
            ("https://api.bentley.com/clashdetection/runs/r", "/clashdetection/runs/r"),
            ("HTTPS://API.Bentley.COM/clashdetection/runs", "/clashdetection/runs"),
            ("https://api.bentley.com:443/clashdetection/runs", "/clashdetection/runs"),
            ("https://api.bentley.com/clash-detection", "/clash-detection"),
            ("https://api.bentley.com/clash-detection?x", "/clash-detection?x"),
            ("https://api.bentley.com/clash-detection#f", "/clash-detection#f"),
            ("https://dev-api.bentley.com/apis/clash-detection-v2/operations", "/clash-detection"),
            ("https://dev-api.bentley.com/apis/clash-detection-v2/operations?a=b", "/clash-detection?a=b"),
            ("/clash-detection/itwins/x/reports?$top=1", "/clash-detection/itwins/x/reports?$top=1"),
            ("/clashDetection/tests", "/clashDetection/tests"),
        ])
    func rewritten(href: String, target: String) throws {
        #expect(try value(href) == #"{"_links":{"x":{"href":"http://127.0.0.1:8080\#(target)"}}}"#)
    }

    @Test(
        "links that stay",
        arguments: [
            "", "x", "https:", "https://", "https:///clash-detection", "https://api.bentley.com",
            "https://api.bentley.com/", "https://api.bentley.com/accesscontrol/itwins/x",
            "https://api.bentley.com/clash-detectionx",
            "https://api.bentley.com.evil.example/clash-detection", "https://api.bentley.comx/clash-detection",
            "https://evil.example/https://api.bentley.com/clash-detection", "http://api.bentley.com/clash-detection",
            "https://api.bentley.com:8443/clash-detection", "https://user@api.bentley.com/clash-detection",
            "https://user:pw@api.bentley.com/clash-detection", "https://dev-api.bentley.com/clash-detection/x",
            "https://dev-api.bentley.com/apis/clash-detection-v2/operationsx/itwins",
            "//api.bentley.com/clash-detection",
            "//clash-detection/x", "/accesscontrol/x", "clash-detection/x", "?$top=1",
            "https://api.bentley.com/clash-detection/../accesscontrol",
            "https://api.bentley.com/clash-detection/%2e%2e/x",
            "https://api.bentley.com/clash-detection/a%2Fb", "/clash-detection/..;/x", "javascript:alert(1)",
            #"https://api.bentley.com\\@evil.example/clash-detection"#,
            #"https://api.bentley.com/clash-detection/\ud800"#,
            #"https://api.bentley.com/clash-detection\\x"#,
        ])
    func stay(href: String) throws {
        let text = #"{"_links":{"x":{"href":"\#(href)"}}}"#
        let (out, changed) = try rewrite([Array(text.utf8)])
        #expect(out == text)
        #expect(!changed)
    }

    static let link = "https://api.bentley.com/clash-detection/x"

    @Test(
        "only the href of a member of _links is a link",
        arguments: [
            #"{"href":"L"}"#, #"{"_links":{"href":"L"}}"#, #"{"_links":"L"}"#, #"{"_links":["L",{"href":"L"}]}"#,
            #"{"_links":null,"x":{"y":{"href":"L"}}}"#, #"{"_links":{"x":{"title":"L","hreflang":"L"}}}"#,
            #"{"_links":{"x":{"href":["L"]}}}"#, #"{"_links":{"x":{"href":{"href":"L"}}}}"#,
            #"{"_links":{"x":{"HREF":"L"}}}"#,
            #"{"links":{"x":{"href":"L"}}}"#, #"[{"_links":1},{"a":{"href":"L"}}]"#,
            #"[{"_links":1},{"x":{"href":"L"}}]"#,
            #"{"_links":{"x":{"y":{"href":"L"}}}}"#, #"{"_links":{},"x":{"href":"L"}}"#,
            #"{"_links":{"x":{"href":1,"y":"L"}}}"#,
            #"{"_links":{"x":{"href":null}},"href":"L"}"#, #"{"_links":{"x":[{"href":"L"}]}}"#,
        ])
    func noLinks(template: String) throws {
        let text = template.replacing("L", with: Self.link)
        #expect(try rewrite(text) == text)
    }

    @Test(
        "links are found at any depth and under escaped names",
        arguments: [
            #"[[[{"a":[{"_links":{"x":{"href":"L"}}}]}]]]"#, #"{"_links":{"x":{"y":[1,{"z":2}],"href":"L"}}}"#,
            #"{"_l\u0069nks":{"x":{"hre\u0066":"L"}}}"#, #"{"_links":{"_links":{"href":"L"}}}"#,
            #"{"_links":{"x":{"_links":{"y":{"href":"L"}}}}}"#, #"{"_links":{"x":{"href":"L"},"y":{"href":"L"}}}"#,
            "\u{FEFF}{\"_links\":{\"x\":{\"href\":\"L\"}}}",
        ])
    func findsLinks(template: String) throws {
        let text = template.replacing("L", with: Self.link)
        let expected = template.replacing("L", with: "http://127.0.0.1:8080/clash-detection/x")
        #expect(try rewrite(text) == expected)
    }

    @Test("rewritten links are escaped as JSON, and mean what they meant")
    func escaping() throws {
        let text = #"{"_links":{"x":{"href":"https://api.bentley.com/clash-detection/x?a=\"\\\u0007é😀\ud83d\ude00"}}}"#
        let expected = #"{"_links":{"x":{"href":"http://127.0.0.1:8080/clash-detection/x?a=\"\\\u0007é😀😀"}}}"#
        #expect(try rewrite(text) == expected)
        let (out, _) = try rewrite([Array(#"{"_links":{"x":{"href":"\#(Self.link)"}}}"#.utf8)], base: "http://a\"b/")
        #expect(out == #"{"_links":{"x":{"href":"http://a\"b/clash-detection/x"}}}"#)
    }

    @Test("from the first byte that is not JSON on everything passes unchanged")
    func malformed() throws {
        let good = #"{"_links":{"x":{"href":"\#(Self.link)"}}"#
        let rewritten = #"{"_links":{"x":{"href":"http://127.0.0.1:8080/clash-detection/x"}}"#
        for tail in ["]", " x ", "}} ", "}{\"_links\":{\"x\":{\"href\":\"\(Self.link)\"}}}", ",\u{0}"] {
            #expect(try rewrite(good + tail) == rewritten + tail)
        }
        for text in [
            "", "plain text", "<html>", "\"\(Self.link)\"", #"{"_links":{"x":{"href":"\#(Self.link)"#, "\u{1}{}",
        ] {
            #expect(try rewrite(text) == text)
            #expect(try rewrite(text.utf8.map { [$0] }).0 == text)
        }
        let inside = #"{"_links":{"x":{"href":"https://api.bentley.com/clash-det"# + "\n" + #"ection/x"}}}"#
        #expect(try rewrite(inside) == inside)
        #expect(try rewrite(inside.utf8.map { [$0] }).0 == inside)
    }

    @Test("a link too long to hold passes as it is")
    func longLinks() throws {
        for extra in [-1, 0, 1, 50_000] {
            let filler = String(repeating: "a", count: LinkRewriter.maxLinkLength - Self.link.utf8.count + extra)
            let text = #"{"_links":{"x":{"href":"\#(Self.link)\#(filler)"},"y":{"href":"\#(Self.link)"}}}"#
            let first = extra <= 0 ? "http://127.0.0.1:8080/clash-detection/x" : Self.link
            let expected =
                #"{"_links":{"x":{"href":"\#(first)\#(filler)"},"y":{"href":"http://127.0.0.1:8080/clash-detection/x"}}}"#
            #expect(try rewrite(text) == expected)
            var random = SeededGenerator(seed: 6)
            #expect(try rewrite(random.chunks(of: Array(text.utf8), upTo: 900)).0 == expected)
        }
    }

    @Test(
        "random bodies, whole or damaged: chunking never matters, and without links nothing changes", arguments: 0..<6)
    func fuzz(round: Int) throws {
        var random = SeededGenerator(seed: UInt64(7000 + round))
        for _ in 0..<150 {
            var text = random.document()
            if random.chance(60) {
                let href = random.pick([Self.link, "/clash-detection/x", "https://elsewhere.example/"])
                text = #"{"_links":{"a":{"href":"\#(href)"}},"rest":\#(text),"_links":{"b":{"href":"\#(href)"}}}"#
            }
            var bytes = Array(text.utf8)
            if random.chance(30), !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var whole = LinkRewriter(translator: try Self.translator())
            var expected: [UInt8] = []
            whole.rewrite(bytes, into: &expected)
            whole.finish(into: &expected)
            if !whole.changed { #expect(expected == bytes) }

            var pieces = LinkRewriter(translator: try Self.translator())
            var out: [UInt8] = []
            for chunk in random.chunks(of: bytes) { pieces.rewrite(chunk, into: &out) }
            pieces.finish(into: &out)
            #expect(out == expected)
            #expect(pieces.changed == whole.changed)
            // A rewritten document is one still, with the same things in it.
            if JSONTree(reference: bytes) != nil { #expect(JSONTree(reference: out) != nil) }
        }
    }

    @Test("Location is rewritten by the same rules")
    func location() throws {
        let translator = try Self.translator(base: "https://proxy.example/")
        let target = "/clashdetection/modelsandcategories/imodels/m?projectId=p"
        #expect(translator.rewriteLocation("https://api.bentley.com" + target) == "https://proxy.example" + target)
        #expect(translator.rewriteLocation(target) == "https://proxy.example" + target)
        for other in ["https://ims.bentley.com/x", "https://api.bentley.com/imodels/m", "", "//x/clash-detection"] {
            #expect(translator.rewriteLocation(other) == other)
        }
    }
}

@Suite("Link rules")
struct LinkRuleTests {
    private func translate(_ link: String, _ entries: [String]) throws -> String {
        let rules = try entries.map { entry throws(LinkRule.Defect) in try LinkRule(entry) }
        return LinkTranslator(rules: rules, allowedPrefixes: ["/"], base: "B").rewriteLocation(link)
    }

    @Test("a prefix may have a port, a path and slashes at its end")
    func prefixes() throws {
        #expect(try translate("http://localhost:9000/a/b", ["http://LOCALHOST:9000/"]) == "B/a/b")
        #expect(try translate("http://localhost:80/a", ["http://localhost"]) == "B/a")
        #expect(try translate("http://localhost/a", ["http://localhost:"]) == "B/a")
        #expect(try translate("http://localhost:443/a", ["http://localhost"]) == "http://localhost:443/a")
        #expect(try translate("https://[::1]:7/a/b", ["https://[::1]:7/a"]) == "B/b")
        #expect(try translate("https://h/a/b?c", ["https://h/a/ => /x/"]) == "B/x/b?c")
        #expect(try translate("https://h/ab", ["https://h/a=>/x"]) == "https://h/ab")
    }

    @Test("the first rule whose result is allowed counts")
    func order() throws {
        let rules = ["https://h/a => /first", "https://h => /second"]
        #expect(try translate("https://h/a/b", rules) == "B/first/b")
        #expect(try translate("https://h/c", rules) == "B/second/c")
        let translator = LinkTranslator(
            rules: [try LinkRule("https://h"), try LinkRule("https://h/a => /ok")], allowedPrefixes: ["/ok"], base: "B")
        #expect(translator.rewriteLocation("https://h/a/b") == "B/ok/b")
    }

    @Test(
        "entries that cannot work are refused",
        arguments: [
            ("", LinkRule.Defect.notAbsolute), ("api.bentley.com", .notAbsolute), ("/x", .notAbsolute),
            ("ftp://h", .notAbsolute), ("https://", .notAbsolute), ("https:///x", .notAbsolute),
            ("https://u@h/x", .notAbsolute), ("https://h/x?y", .notAPrefix), ("https://h/#y", .notAPrefix),
            ("https://h => x", .replacementNotAPath), ("https://h => ", .replacementNotAPath),
            ("https://h => /x?y", .replacementNotAPath), ("=> /x", .notAbsolute),
            ("https://h => https://i", .replacementNotAPath),
        ])
    func refused(entry: String, defect: LinkRule.Defect) {
        #expect(throws: defect) { try LinkRule(entry) }
    }
}
