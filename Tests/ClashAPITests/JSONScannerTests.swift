import TestSupport
import Testing

@testable import ClashAPI

@Suite("JSON scanner")
struct JSONScannerTests {
    /// Structure, in whatever chunks it comes.
    private func accepts(_ text: String, maxDepth: Int = 128) -> Bool {
        let bytes = Array(text.utf8)
        let whole = accepts([bytes], maxDepth: maxDepth)
        let byteByByte = accepts(bytes.map { [$0] }, maxDepth: maxDepth)
        #expect(whole == byteByByte, "chunking changes the verdict on \(text)")
        return whole
    }

    private func accepts(_ chunks: [[UInt8]], maxDepth: Int) -> Bool {
        var scanner = JSONScanner(maxDepth: maxDepth)
        for chunk in chunks {
            var offset = 0
            events: while true {
                switch scanner.next(in: chunk.span, at: &offset) {
                case .invalid: return false
                case .needsInput: break events
                default: continue
                }
            }
        }
        return scanner.finish()
    }

    @Test(
        "valid documents are accepted",
        arguments: [
            "{}", "[]", "null", "true", "false", "0", "-0", "-1.5e+10", "1E5", "10.01", "\"\"", " \t\r\n{ } \n",
            #"{"a":[1,2,{"b":null}],"c":"d"}"#, #"["\u00e9\n\/\\\"","漢"]"#, "[[[[]]]]", "\u{FEFF}{}",
        ])
    func valid(text: String) {
        #expect(accepts(text))
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "{", "}", "[", "]", "{]", "[}", "{,}", "[,]", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
            "{'a':1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1 2]", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1",
            "NaN",
            "tru", "truE", "nulll", "true false", "{}{}", "{} x", "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"",
            "\"\\u123\"",
            "\"\u{0}\"", "\"\n\"", "\"\t\"", "/* c */ {}", "{} // c", "\u{FEFF}", " \u{FEFF}{}", "[\u{A0}]",
        ])
    func invalid(text: String) {
        #expect(!accepts(text))
    }

    @Test("nesting up to the limit is accepted and one level more is refused")
    func depth() {
        func nested(_ levels: Int) -> String {
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        #expect(accepts(nested(128)))
        #expect(!accepts(nested(129)))
        #expect(accepts(nested(512), maxDepth: 512))
        #expect(!accepts(nested(513), maxDepth: 10_000))
        let objects = String(repeating: "{\"a\":", count: 200) + "1" + String(repeating: "}", count: 200)
        #expect(accepts(objects, maxDepth: 200))
    }

    @Test("objects and arrays are told apart at every depth")
    func mixedNesting() {
        var text = ""
        var closing = ""
        for level in 0..<400 {
            text += level % 3 == 0 ? "[" : "{\"k\":"
            closing = (level % 3 == 0 ? "]" : "}") + closing
        }
        #expect(accepts(text + "0" + closing, maxDepth: 512))
        let swapped = "}" + closing.dropFirst()
        #expect(closing.first == "]")
        #expect(!accepts(text + "0" + swapped, maxDepth: 512))
    }

    @Test("a quote, backslash or control character is found at every position of an eight-byte word")
    func specialsInWords() {
        for position in 0..<24 {
            let plain = String(repeating: "é", count: position / 2) + (position % 2 == 1 ? "x" : "")
            #expect(accepts("\"\(plain)\""))
            #expect(accepts("\"\(plain)\\n\(plain)\""))
            #expect(!accepts("\"\(plain)\u{1F}\(plain)padding padding\""))
            #expect(!accepts("\"\(plain)\"\(plain)padding padding\""))
        }
    }

    @Test("random documents read the same as with Foundation's parser, in any chunks", arguments: 0..<8)
    func fuzzValid(round: Int) throws {
        var random = SeededGenerator(seed: UInt64(1000 + round))
        for _ in 0..<250 {
            let bytes = Array(random.document().utf8)
            let reference = try #require(JSONTree(reference: bytes), "the generator made no JSON")
            #expect(JSONTree(scanning: [bytes]) == reference, "\(String(decoding: bytes, as: UTF8.self))")
            #expect(JSONTree(scanning: random.chunks(of: bytes)) == reference)
        }
    }

    @Test("of damaged documents only those that Foundation's parser takes are accepted", arguments: 0..<8)
    func fuzzDamaged(round: Int) {
        var random = SeededGenerator(seed: UInt64(2000 + round))
        var accepted = 0
        for _ in 0..<600 {
            let bytes = damaged(Array(random.document().utf8), &random)
            let ours = JSONTree(scanning: [bytes])
            #expect(ours == JSONTree(scanning: random.chunks(of: bytes)), "chunking changes the verdict")
            guard let ours else { continue }
            accepted += 1
            // Not checked by the scanner, on purpose.
            if String(validating: bytes, as: UTF8.self) == nil { continue }
            let reference = JSONTree(reference: bytes)
            #expect(reference == ours, "accepted: \(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(accepted > 20, "too little of the damage is harmless for the comparison to mean anything")
    }

    private func damaged(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.removeSubrange(index...)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(bytes[index], at: index)
            case 3: bytes[index] = UInt8.random(in: 0...255, using: &random)
            default: bytes[index] = random.pick(Array("{}[]:,\"\\0123456789eE+-. tfnu\n".utf8))
            }
        }
        return bytes
    }
}
