// The reader of JSON from outside, base64 and forms: known texts, everything that is refused, and round trips.

import Foundation
import TestSupport
import Testing

@testable import Tokens

@Suite("JSON from outside")
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
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "[1 2]", "01", "-", "1.", ".5",
            "+1",
            "1e", "0x10", "NaN", "Infinity", "nul", "truex", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u+123\"", "\"a\nb\"",
            "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "1 2", "{}x", "[1]]", "{\"a\":1}\u{0}", "/**/1",
        ])
    func refused(text: String) {
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
        #expect(read(nested(31)) != nil)
        #expect(read(nested(100_000)) == nil)
        #expect(read(String(repeating: #"{"a":"#, count: 100_000)) == nil)
    }

    @Test("invalid UTF-8 is refused")
    func bytes() {
        for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
            #expect(JSON(bytes) == nil)
        }
    }

    @Test("no damaged document crashes the reader, and what it accepts another parser accepts")
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
            guard JSON(bytes) != nil else { continue }
            #expect(throws: Never.self, "\(String(decoding: bytes, as: UTF8.self))") {
                try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            }
        }
    }

    @Test("text that is quoted is read back the same")
    func quoted() {
        let texts = ["", "plain", "\"\\/", "\r\n\t\u{0}\u{1F}\u{7F}", "é😀\u{2028}", "a\u{301}"]
        for text in texts {
            guard case .string(let read)? = read(JSON.quoted(text)) else {
                Issue.record("not read back: \(text)")
                continue
            }
            #expect(Array(read.utf8) == Array(text.utf8))
        }
    }
}

@Suite("Encodings")
struct EncodingTests {
    @Test("base64 is what Foundation makes, and the URL form is read back", arguments: 0...70)
    func base64(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let standard = Data(bytes).base64EncodedString()
        #expect(Base64.encode(bytes) == standard)
        let url = standard.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        #expect(Base64.encodeURL(bytes) == url)
        #expect(Base64.decodeURL(url.utf8) == bytes)
    }

    @Test("what is no base64url is refused", arguments: ["A", "AAAAA", "AA==", "A+A", "A/A", "A A", "é", "AA\n"])
    func noBase64(text: String) {
        #expect(Base64.decodeURL(text.utf8) == nil)
    }

    @Test("a form is read back as it was written, whatever is in it")
    func form() {
        let fields = [("a&b", "c=d"), ("e", ""), ("é 😀", "+%\r\n"), ("f", "g?h#i")]
        #expect(FormEncoding.fields(FormEncoding.text(fields)) == Dictionary(uniqueKeysWithValues: fields))
        #expect(FormEncoding.fields("a=1+2&b&&c=%2b") == ["a": "1 2", "b": "", "c": "+"])
    }

    @Test(
        "a form with a field twice, a broken escape, or no text is refused",
        arguments: ["a=1&a=2", "a=1&%61=2", "a=%", "a=%2", "a=%zz", "a=%ff", "%C3=1"])
    func noForm(text: String) {
        #expect(FormEncoding.fields(text) == nil)
    }
}
