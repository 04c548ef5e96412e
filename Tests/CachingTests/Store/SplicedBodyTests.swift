// Bodies whose links are completed when they are answered.

import NIOCore
import Testing

@testable import Caching

@Suite("Spliced bodies")
struct SplicedBodyTests {
    /// The base that the stored bytes hold.
    private static let own = "http://own"

    private func body(_ text: String, _ places: [Int]) -> SplicedBody {
        SplicedBody(Array(text.utf8), places: places, base: Self.own)
    }

    private func written(_ body: SplicedBody, base: String) -> String {
        var out = ByteBuffer(string: ">")
        body.write(base: base, into: &out)
        #expect(out.readableBytes == 1 + body.length(base: base))
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
        #expect(String(decoding: body.plain, as: UTF8.self) == text)
        #expect(written(body, base: Self.own) == expected.replacing("BASE", with: Self.own))
        #expect(String(buffer: body.bytes) == expected.dropFirst().replacing("BASE", with: Self.own))
    }

    @Test("tools that know the proxy by different names share one body")
    func bases() {
        let body = body(#"{"href":"/reports"}"#, [9])
        #expect(written(body, base: "http://a:1") == #">{"href":"http://a:1/reports"}"#)
        #expect(written(body, base: "https://ü") == #">{"href":"https://ü/reports"}"#)
    }

    @Test("a tool that knows the proxy as most do gets the bytes as they are kept, in one part")
    func own() {
        var parts: [ByteBuffer] = []
        let body = body("abcdef", [0, 2])
        body.forEachPart(
            base: Self.own, { parts.append($0) }, writeBase: { _ in Issue.record("nothing is put together") })
        #expect(parts == [body.bytes] && body.isWhole(base: Self.own) && !body.isWhole(base: "x"))
        #expect(SplicedBody(bytes: ByteBuffer(string: "a")).isWhole(base: "x"), "nothing in it depends on a name")
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
        #expect(body("abcdef", [1, 2, 3, 4]).cost >= 6 + 4 * (Self.own.utf8.count + MemoryLayout<Int>.stride))
    }
}
