// Bodies whose links are completed when they are answered.

import NIOCore
import Testing

@testable import Caching

@Suite("Spliced bodies")
struct SplicedBodyTests {
    /// What stands before the readable bytes, as in a buffer that was read from.
    private static let consumed = "consumed"

    private func body(_ text: String, _ splices: [Int]) -> SplicedBody {
        var buffer = ByteBuffer(string: Self.consumed + text)
        buffer.moveReaderIndex(forwardBy: Self.consumed.utf8.count)
        return SplicedBody(bytes: buffer, splices: splices)
    }

    private func written(_ body: SplicedBody, base: String) -> String {
        var out = ByteBuffer(string: ">")
        body.write(base: base, into: &out)
        #expect(out.readableBytes == 1 + body.length(baseLength: base.utf8.count))
        return String(buffer: out)
    }

    @Test(
        "the base stands at every splice and nowhere else",
        arguments: [
            ("abcdef", [], ">abcdef"),
            ("abcdef", [0], ">BASEabcdef"),
            ("abcdef", [6], ">abcdefBASE"),
            ("abcdef", [3], ">abcBASEdef"),
            ("abcdef", [0, 3, 6], ">BASEabcBASEdefBASE"),
            ("abcdef", [2, 2], ">abBASEBASEcdef"),
            ("abcdef", [1, 2, 3], ">aBASEbBASEcBASEdef"),
            ("", [0], ">BASE"),
            ("", [], ">"),
        ])
    func splices(text: String, splices: [Int], expected: String) {
        let body = body(text, splices)
        #expect(written(body, base: "BASE") == expected)
        #expect(written(body, base: "BASE") == expected, "it can be answered again")
        #expect(written(body, base: "") == ">" + text)
    }

    @Test("tools that know the proxy by different names share one body")
    func bases() {
        let body = body(#"{"href":"/reports"}"#, [9])
        #expect(written(body, base: "http://a:1") == #">{"href":"http://a:1/reports"}"#)
        #expect(written(body, base: "https://ü") == #">{"href":"https://ü/reports"}"#)
    }

    @Test("the parts come in order, none of them empty")
    func parts() {
        var parts: [String] = []
        body("abcdef", [0, 2, 2, 6]).forEachPart(base: "BASE") {
            #expect($0.readableBytes > 0)
            parts.append(String(buffer: $0))
        } writeBase: {
            parts.append($0)
        }
        #expect(parts == ["BASE", "ab", "BASE", "BASE", "cdef", "BASE"])
    }

    @Test("what the bytes and the splices take is counted, the unread part of the buffer too")
    func cost() {
        var large = ByteBuffer(repeating: 0x20, count: 10_000)
        large.moveReaderIndex(to: 9_990)
        #expect(SplicedBody(bytes: large).cost >= 10_000)
        let few = body("abcdef", [1]).cost
        #expect(body("abcdef", [1, 2, 3, 4]).cost == few + 3 * MemoryLayout<Int>.stride)
    }
}
