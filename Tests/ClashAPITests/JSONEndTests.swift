import TestSupport
import Testing

@testable import ClashAPI

@Suite struct JSONEndTests {
    private func isInside(_ text: some Collection<UInt8>, by step: Int = 7) -> Bool {
        var end = JSONEnd()
        var rest = Array(text)[...]
        while !rest.isEmpty {
            end.consume(Array(rest.prefix(step)))
            rest = rest.dropFirst(step)
        }
        return end.isInside
    }

    @Test(
        "a document is inside at every byte before its last, whole after it, however it comes",
        arguments: [
            #"{"reports":[{"id":"a","text":"} ] \" \\"},{"n":-1.5e3}],"_links":{"next":null}}"#, "[[],[{}]]",
            #""a\"b""#,
            #"["a long text without anything in it, then \\\" and \\\\","","12345678","1234567\"","\\u005b"]"#,
        ])
    func prefixes(text: String) {
        let bytes = Array(text.utf8)
        for step in [1, 3, 100] {
            for count in 1..<bytes.count { #expect(isInside(bytes.prefix(count), by: step), "\(count) of \(text)") }
            #expect(!isInside(bytes, by: step))
            #expect(!isInside(bytes + Array("\r\n ".utf8), by: step))
        }
    }

    @Test("what is no JSON is never inside", arguments: ["", "  \n", "<html>{", "Service Unavailable [", "null", "12"])
    func other(text: String) { #expect(!isInside(text.utf8)) }

    @Test("many bytes at once mean what they mean one by one", arguments: 1...40 as ClosedRange<UInt64>)
    func blocks(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let whole = Array("[[{".utf8) + text(count: .random(in: 1...400, using: &random), &random)
            for count in [1, whole.count / 2, whole.count] {
                let beginning = whole.prefix(count)
                let text = String(decoding: beginning, as: UTF8.self)
                #expect(isInside(beginning, by: 1) == isInside(beginning, by: 1_000), "\(text)")
                #expect(isInside(beginning, by: 1) == isInside(beginning, by: 71), "\(text)")
            }
        }
    }

    /// Brackets, strings with runs of backslashes, and now and then a backslash where none may be.
    private func text(count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        var isString = false
        return (0..<count).map { _ in
            let choice = isString ? "{}[]\"\\\\\\\\ab,:1" : "{}[]{[{\"abcdefg,:1"
            let byte = choice.utf8.randomElement(using: &random) ?? 0
            if byte == UInt8(ascii: "\"") { isString.toggle() }
            return Int.random(in: 0..<300, using: &random) == 0 ? UInt8(ascii: "\\") : byte
        }
    }
}
