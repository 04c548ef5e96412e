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
}
