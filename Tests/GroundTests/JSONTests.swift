// The reader of JSON from outside, and the writer of strings: known texts, everything that is refused, and round trips.

import Foundation
import Ground
import TestSupport
import Testing

@Suite("JSON")
struct JSONTests {
    private func read(_ text: String) -> JSON? { JSON(Array(text.utf8)) }

    @Test("a document with everything in it")
    func everything() {
        let text = #"""
             { "a" : [ 1, -2.5e1, 0 , true,false , null ] ,
            "b\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t" : {"":"é"}, "c":[],"d":{} }
            """#
        let expected: JSON = .object([
            "a": .array([.number(1), .number(-25), .number(0), .bool(true), .bool(false), .null]),
            "bé😀\"\\/\u{8}\u{C}\n\r\t": .object(["": .string("é")]), "c": .array([]), "d": .object([:]),
        ])
        #expect(read(text) == expected)
        #expect(JSON([0xEF, 0xBB, 0xBF] + Array(text.utf8)) == expected, "also after a byte order mark")
        #expect(JSONCheck.isContainer(Array(text.utf8)))
    }

    static let broken = [
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "[1 2]", "01", "-", "1.", ".5", "+1",
        "1e", "0x10", "NaN", "Infinity", "nul", "truex", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u+123\"", "\"a\nb\"", "1 2",
        "{}x", "[1]]", "{\"a\":1}\u{0}", "/**/1", "[-]", "[1.]", "[1e]", "[01]", "[\"\\u12g4\"]", "[\"a\\\"]", "{,}",
        "[,]",
        "{\"a\":1}}", "[\u{A0}]",
    ]

    @Test("what is no JSON is refused", arguments: broken)
    func refused(text: String) {
        #expect(read(text) == nil)
        #expect(!JSONCheck.isContainer(Array(text.utf8)))
    }

    @Test("half a surrogate pair is no character", arguments: [#""\ud800""#, #""\ud800\u0041""#, #""\udc00""#])
    func surrogates(text: String) {
        #expect(read(text) == nil)
    }

    @Test("a member that comes twice makes the document unreadable, however it is spelt, at any depth")
    func twice() {
        #expect(read(#"{"a":1,"b":2}"#) != nil)
        #expect(read(#"{"a":1,"a":1}"#) == nil)
        #expect(read(#"{"a":1,"\u0061":2}"#) == nil)
        #expect(read(#"{"x":[{"a":1,"a":2}]}"#) == nil)
    }

    @Test("nesting beyond sense is refused without a crash")
    func deep() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(read(nested(32)) != nil && read(nested(33)) == nil && read(nested(100_000)) == nil)
        #expect(read(String(repeating: #"{"a":"#, count: 100_000)) == nil)
        #expect(JSONCheck.isContainer(Array(nested(128).utf8)) && !JSONCheck.isContainer(Array(nested(129).utf8)))
        #expect(!JSONCheck.isContainer(Array(nested(100_000).utf8)))
    }

    @Test("invalid UTF-8 is refused")
    func bytes() {
        for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
            #expect(JSON(bytes) == nil && !JSONCheck.isContainer([0x5B] + bytes + [0x5D]))
        }
    }

    @Test("only an object or an array is a container; white space may stand around it, and nothing else")
    func containers() {
        for text in ["[]", "{}", " {\"a\" :\t[1 , 2]\r\n}\n", #"[{"a":1,"a":2},"\ud800"]"#] {
            #expect(JSONCheck.isContainer(Array(text.utf8)), "\(text)")
        }
        for text in ["1", "\"a\"", "null", "true", "\u{FEFF}[]"] {
            #expect(!JSONCheck.isContainer(Array(text.utf8)), "\(text)")
        }
    }

    @Test("no damaged document crashes the readers, and what they accept another parser accepts")
    func damage() throws {
        let whole = Array(#"{"access_token":"a\u00e9","expires_in":3.6e3,"x":[null,{"y":"\ud83d\ude00"}]}"#.utf8)
        var random = SeededGenerator(seed: 3)
        for _ in 0..<4000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(Array(#"{}[]",:\0e"#.utf8).randomElement(using: &random) ?? 0, at: at)
                }
            }
            let isContainer = JSONCheck.isContainer(bytes)
            guard let json = JSON(bytes) else { continue }
            #expect(throws: Never.self, "\(String(decoding: bytes, as: UTF8.self))") {
                try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            }
            switch json {
            case .object, .array: #expect(isContainer)
            default: #expect(!isContainer)
            }
        }
    }

    // MARK: Writing

    @Test("text that is quoted is read back the same")
    func quoted() {
        let texts = [
            "", "plain", "\"\\/", "\r\n\t\u{0}\u{1F}\u{7F}", "é😀\u{2028}", "a\u{301}", "\u{85}\u{202E}x\u{2066}",
            "\u{61C}\u{200E}\u{200F}", "\u{2027}\u{202F}\u{2065}\u{206A}\u{61B}\u{A0}",
        ]
        for text in texts {
            guard case .string(let read)? = read(JSONText.quoted(text)) else {
                Issue.record("not read back: \(text)")
                continue
            }
            #expect(Array(read.utf8) == Array(text.utf8))
            var out: [UInt8] = []
            JSONText.append(text, to: &out)
            #expect(String(decoding: out, as: UTF8.self) == JSONText.quoted(text))
            out = []
            JSONText.appendInside(text, to: &out)
            #expect(String(decoding: out, as: UTF8.self) == JSONText.escaped(text))
        }
    }

    @Test("exactly what a terminal or a reader of lines could obey is escaped, beside quotes and backslashes")
    func escaped() {
        let unseen: [ClosedRange<UInt32>] = [
            0...0x1F, 0x7F...0x9F, 0x61C...0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069,
        ]
        let turning: [ClosedRange<UInt32>] = [0x61C...0x61C, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069]
        for value in (0...0xFFFF).map(UInt32.init) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = JSONText.escaped(String(Character(scalar)))
            // Records keep what turns the direction; whoever prints them sees to it.
            var record: [UInt8] = []
            JSONText.appendInside(String(Character(scalar)), .lines, to: &record)
            let isKept = turning.contains { $0.contains(value) }
            if Array((isKept ? String(Character(scalar)) : text).utf8) != record {
                Issue.record("U+\(String(value, radix: 16)) in a record")
            }
            let wanted =
                switch value {
                case 0x0A: #"\n"#
                case 0x0D: #"\r"#
                case 0x09: #"\t"#
                case 0x22, 0x5C: "\\" + String(Character(scalar))
                case _ where unseen.contains { $0.contains(value) }: #"\u"# + String(format: "%04x", value)
                default: String(Character(scalar))
                }
            if Array(text.utf8) != Array(wanted.utf8) { Issue.record("U+\(String(value, radix: 16)): \(text)") }
        }
    }

    @Test("a limit cuts between scalars, and says so", arguments: ["x", "\u{1}", "é", "😀", "\u{202E}"])
    func limit(filler: String) throws {
        let text = String(repeating: filler, count: 100)
        var out: [UInt8] = []
        #expect(!JSONText.append(text, atMost: 90, to: &out))
        #expect(out.count <= 92 && out.count > 80)
        guard case .string(let read)? = JSON(out) else { throw LimitTrouble() }
        #expect(text.hasPrefix(read) && !read.isEmpty)
        out = []
        #expect(JSONText.append(text, atMost: 700, to: &out) && JSON(out) == .string(text))
    }

    private struct LimitTrouble: Error {}

    // MARK: Escapes

    @Test("escapes that mean no character are refused, or become the replacement where there is one")
    func repair() {
        func decode(_ text: String, _ replacement: Unicode.Scalar?) -> String? {
            let bytes = Array(text.utf8)
            return JSONEscapes.decode(bytes.span, in: 0..<bytes.count, replacement: replacement)
                .map { String(decoding: $0, as: UTF8.self) }
        }
        let cases = [
            (#"a\ud800b"#, "a?b"), (#"\ud800\u0041"#, "?A"), (#"\udc00\ud83d\ude00"#, "?😀"),
            (#"\ud83d\ud83d\ude00"#, "?😀"),
            (#"\x1"#, "?1"), (#"\u12"#, "?12"), (#"\u12g4"#, "?12g4"), (#"a\"#, "a?"), (#"\u"#, "?"),
        ]
        for (text, repaired) in cases {
            #expect(decode(text, nil) == nil, "\(text)")
            #expect(decode(text, "?") == repaired, "\(text)")
        }
        #expect(decode(#"\"\\\/\b\f\n\r\t\u0000é"#, nil) == "\"\\/\u{8}\u{C}\n\r\t\u{0}é")
        // Only the range counts.
        let bytes = Array(#"\n\u0041\n"#.utf8)
        let whole = JSONEscapes.decode(bytes.span, in: 2..<8)
        let cut = JSONEscapes.decode(bytes.span, in: 2..<7)
        #expect(whole == [0x41] && cut == nil)
    }
}
