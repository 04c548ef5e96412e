import HTTPTypes
import TestSupport
import Testing

@testable import ClashAPI

@Suite("Body classifier")
struct BodyClassifierTests {
    private let post = ClashAPI.match(method: .post, target: "/clash-detection/itwins/x/news")

    private func facts(_ body: String, headers: [(String, String)] = []) -> RequestBodyFacts {
        facts(Array(body.utf8), headers: headers)
    }

    /// The facts, which must not depend on how the body is cut.
    private func facts(_ body: [UInt8], headers: [(String, String)] = []) -> RequestBodyFacts {
        var whole = BodyClassifier(route: post, headers: HTTPFields(headers))
        _ = whole.consume(body)
        let facts = whole.finish()
        var pieces = BodyClassifier(route: post, headers: HTTPFields(headers))
        for byte in body { _ = pieces.consume([byte]) }
        #expect(pieces.finish() == facts, "chunking changes the facts")
        return facts
    }

    @Test(
        "these bodies say delete",
        arguments: [
            #"{"operation":"delete"}"#,
            #"{"Operation":"DELETE"}"#,
            #"{"\u006fperation":"d\u0065lete"}"#,
            #"{"operation":"run","operation":"delete"}"#,
            #"{"operation":"delete","operation":"run"}"#,
            #"{"jobs":["a"],"x":{"y":[1,2]},"operation":"delete"}"#,
            #"[{"operation":"delete"}]"#,
            #"[{"operation":"run"},{"operation":"delete"}]"#,
            #"{"jobs":[{"id":"a","operation":"delete"}]}"#,
            #"{"operation":" delete "}"#,
            #"{"operation":"run, delete"}"#,
            #"{"operation":"2"}"#,
            #"{"operation":2}"#,
            #"{"operation":true}"#,
            #"{"operation":["delete"]}"#,
            #"{"operation":{"value":"delete"}}"#,
            #"{"operation":"\ud800"}"#,
            "\u{FEFF}  \n{\"operation\":\"delete\"}",
        ])
    func saysDelete(body: String) {
        let facts = facts(body)
        #expect(facts.saysDelete)
        #expect(facts.form == .json)
    }

    @Test(
        "these do not",
        arguments: [
            #"{}"#, #"[]"#, #"{"operation":"run"}"#, #"{"operation":null}"#, #"{"name":"delete"}"#,
            #"{"delete":"operation"}"#, #"{"parameters":{"operation":"delete"}}"#, #"{"operations":"delete"}"#,
            #"{"jobs":["operation","delete"]}"#, #"{"x":[{"operation":"delete"}]}"#, #"["operation","delete"]"#,
        ])
    func saysNothing(body: String) {
        let facts = facts(body)
        #expect(!facts.saysDelete)
        #expect(facts.form == .json)
    }

    @Test("an operation word longer than any is taken for the worst")
    func longWord() {
        let filler = String(repeating: "x", count: 5000)
        #expect(facts(#"{"operation":"\#(filler)delete"}"#).saysDelete)
    }

    @Test("ids are found in jobs, as strings and in objects")
    func ids() {
        let body = #"""
            {"jobs":["a",7,{"testId":"t","iModelId":"m","testSettings":{"id":"no"}},{"ID":"b"},{"reportId":"r"},["no"]],
             "operation":"run","testId":"t2","iModelId":"m2","projectId":"p","itwinId":"q","id":"no","x":{"testId":"no"}}
            """#
        let facts = facts(body)
        #expect(facts.jobIDs == ["a", "7", "b", "r"])
        #expect(facts.testIDs == ["t", "t2"])
        #expect(facts.iModelIDs == ["m", "m2"])
        #expect(facts.projectIDs == ["p", "q"])
        #expect(!facts.idsAreIncomplete)
    }

    @Test("a single id instead of an array of jobs counts as well")
    func singleJob() {
        #expect(facts(#"{"jobs":"a"}"#).jobIDs == ["a"])
        #expect(facts(#"{"jobs":{"id":"a"}}"#).jobIDs == ["a"])
        #expect(facts(#"{"jobs":["a"],"jobs":["b"]}"#).jobIDs == ["a", "b"])
    }

    @Test("more or longer ids than are kept are owned up to")
    func tooManyIDs() {
        let many = (0...RequestBodyScanner.maxIDs).map { "\"\($0)\"" }.joined(separator: ",")
        let facts = facts("{\"jobs\":[\(many)]}")
        #expect(facts.jobIDs.count == RequestBodyScanner.maxIDs)
        #expect(facts.idsAreIncomplete)
        let long = String(repeating: "i", count: 10_000)
        #expect(self.facts(#"{"jobs":["\#(long)"]}"#).idsAreIncomplete)
    }

    @Test("no body, or white space alone, is empty", arguments: ["", "  \r\n\t", "\u{FEFF}"])
    func empty(body: String) {
        #expect(facts(body).form == .empty)
    }

    @Test("any JSON text can be read", arguments: ["\"text\"", "123", "  true", " null ", "-1.5e3\n"])
    func scalars(body: String) {
        #expect(facts(body) == RequestBodyFacts(form: .json))
    }

    @Test(
        "what is not one JSON text in UTF-8 is unreadable",
        arguments: [
            ("{", RequestBodyFacts.Unreadable.malformed), ("{\"a\":1}}", .malformed),
            ("{'operation':'delete'}", .malformed),
            ("{operation:\"delete\"}", .malformed), ("{\"a\":1,}", .malformed), ("[1,2", .malformed),
            ("/* x */{\"operation\":\"delete\"}", .malformed), ("{}{\"operation\":\"delete\"}", .malformed),
            ("{/**/\"operation\":\"delete\"}", .malformed), ("\u{A0}{}", .charset), ("\u{C}{}", .charset),
            ("\u{0}{\u{0}}", .charset), ("{\u{0}}\u{0}", .malformed),
            ("hello", .malformed), ("nul", .malformed), ("-", .malformed), ("1 2", .malformed),
            ("operation=delete&jobs=ID", .malformed), ("x({\"operation\":\"delete\"})", .malformed),
            (")]}',\n{\"operation\":\"delete\"}", .malformed), ("<operation>delete</operation>", .malformed),
            ("--b\r\nContent-Disposition: form-data; name=\"operation\"\r\n\r\ndelete\r\n--b--", .malformed),
            ("\u{FEFF}x", .malformed),
        ])
    func unreadable(body: String, reason: RequestBodyFacts.Unreadable) {
        #expect(facts(body).form == .unreadable(reason))
    }

    @Test("bytes that are not UTF-8 are unreadable wherever they stand; the ids before them are kept")
    func invalidUTF8() {
        let sequences: [[UInt8]] = [
            [0xFF], [0x80], [0xC0, 0xB0], [0xC1, 0xBF], [0xC3], [0xE2, 0x82], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80],
            [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
        ]
        for odd in sequences {
            for (before, after) in [
                (#"{"jobs":["a"],"operation":"delete","x":""#, #""}"#), (#"{"jobs":["a"],""#, #"rojectId":"x"}"#),
                (#"{"jobs":["a"]"#, "}"), (#"{"jobs":["a"]}"#, ""), (#"{"jobs":["a","é"#, #""]}"#),
            ] {
                let facts = facts(Array(before.utf8) + odd + Array(after.utf8))
                #expect(facts.form == .unreadable(.charset), "\(before) \(odd)")
                #expect(facts.jobIDs == ["a"], "\(before) \(odd)")
            }
            #expect(facts(odd).form == .unreadable(.charset), "\(odd)")
        }
    }

    @Test("characters of every length are read in any chunks")
    func validUTF8() {
        let names = ["é", "€", "😀", "a€é😀", "\u{10FFFF}\u{800}\u{7FF}\u{FFFF}\u{10000}"]
        for name in names { #expect(facts(#"{"jobs":["\#(name)"]}"#).jobIDs == [name]) }
    }

    @Test("UTF-16 is unreadable, with and without a byte order mark")
    func utf16() {
        let text = Array(#"{"operation":"delete"}"#.utf16)
        let little = text.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let big = text.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        for body in [little, big, [0xFF, 0xFE] + little, [0xFE, 0xFF] + big, [0xEF, 0xBB]] {
            #expect(facts(body).isUnreadable)
        }
    }

    @Test("nesting deeper than 128 is unreadable")
    func depth() {
        let body = String(repeating: "[", count: 129) + String(repeating: "]", count: 129)
        #expect(facts(body).form == .unreadable(.malformed))
        #expect(facts(String(body.dropFirst().dropLast())).form == .json)
    }

    @Test("ids seen before a defect are kept for the audit")
    func idsBeforeDefect() {
        #expect(facts(#"{"jobs":["a"],}"#).jobIDs == ["a"])
    }

    @Test(
        "encoded bodies and foreign charsets are decided before the first byte",
        arguments: [
            ("Content-Encoding", "gzip"), ("Content-Encoding", "identity, br"), ("Content-Encoding", "DEFLATE"),
            ("Content-Type", "application/json; charset=utf-16"),
            ("Content-Type", "application/json;charset=\"UTF-7\""),
            ("Content-Type", "text/plain; CHARSET = iso-8859-1"),
        ])
    func coding(name: String, value: String) {
        var classifier = BodyClassifier(route: post, headers: HTTPFields([(name, value)]))
        guard case .decided(let facts) = classifier.progress else {
            Issue.record("not decided")
            return
        }
        #expect(facts.isUnreadable)
        #expect(classifier.finish().isUnreadable)
    }

    @Test("plain spellings of the usual coding are no reason to mistrust")
    func usualCoding() {
        for (name, value) in [
            ("Content-Encoding", "identity"), ("Content-Encoding", ""), ("Content-Encoding", " Identity "),
            ("Content-Type", "application/json"), ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Type", "application/json; charset=\"UTF-8\"; x=y"),
            ("Content-Type", "text/plain;charset=us-ascii"),
        ] {
            #expect(facts("{}", headers: [(name, value)]).form == .json, "\(name): \(value)")
        }
    }

    @Test("where the body does not matter the verdict is there at once")
    func notNeeded() {
        for method: HTTPRequest.Method in [.get, .head, .delete, .options] {
            let route = ClashAPI.match(method: method, target: "/clashdetection/runs/x")
            let classifier = BodyClassifier(route: route, headers: HTTPFields([("Content-Encoding", "gzip")]))
            #expect(classifier.progress == .decided(.empty))
        }
    }

    @Test("facts of random bodies agree with Foundation's parser, in any chunks", arguments: 0..<4)
    func fuzz(round: Int) {
        var random = SeededGenerator(seed: UInt64(4000 + round))
        var objects = 0
        for _ in 0..<400 {
            var bytes = Array(random.document().utf8)
            if random.chance(50) {
                let word = random.pick(["delete", "run", "cancel", "\u{0064}elete"])
                bytes = Array("{\"operation\":\"\(word)\",\"rest\":".utf8) + bytes + Array("}".utf8)
            }
            if random.chance(30), !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...127, using: &random)
            }
            let facts = facts(bytes)
            guard case .object(let members)? = JSONTree(reference: bytes) else { continue }
            objects += 1
            if case .string("delete")? = members["operation"] { #expect(facts.saysDelete || facts.isUnreadable) }
        }
        #expect(objects > 100)
    }
}
