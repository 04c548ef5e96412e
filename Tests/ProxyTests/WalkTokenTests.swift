// Tokens of this proxy: what they say comes back, and nothing else is taken for one.

import TestSupport
import Testing

@testable import Proxy

@Suite struct WalkTokenTests {
    private let token = WalkToken(
        list: 0x0123_4567_89AB_CDEF,
        place: WalkPlace(generation: 1 << 55, offset: 100_130, base: 100_100, fetchToken: Array("Mg%3D=".utf8)),
        size: 30)

    @Test("a token says what was put into it, in characters that need no escapes")
    func roundTrip() throws {
        for place in [WalkPlace(), token.place, WalkPlace(generation: .max, offset: 999_999_999, base: 0)] {
            let made = WalkToken(list: .max, place: place, size: 500)
            #expect(WalkToken(made.text.utf8) == made)
            let allowed = made.text.utf8.allSatisfy { WalkToken.mayStandInQuery($0) && $0 != UInt8(ascii: "%") }
            #expect(allowed && made.text.hasPrefix("cp1."))
        }
    }

    @Test("no token is what is cut, changed or lengthened anywhere")
    func garbled() {
        let text = Array(token.text.utf8)
        for length in 0..<text.count { #expect(WalkToken(text[..<length]) == nil) }
        for index in text.indices {
            var other = text
            other[index] = other[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(WalkToken(other) == nil, "\(index)")
        }
        #expect(WalkToken(text + [UInt8(ascii: "A")]) == nil)
        for text in ["", "cp1.", "cp1.====", "cp2.AAAA", "Mg=="] { #expect(WalkToken(text.utf8) == nil, "\(text)") }
    }

    @Test("a token cannot bring anything into upstream's target but a value")
    func injection() {
        for evil in ["a&b=c", "a#b", "a b", "a\r\nb", "a\"b"] {
            let made = WalkToken(list: 1, place: WalkPlace(fetchToken: Array(evil.utf8)), size: 1)
            #expect(WalkToken(made.text.utf8) == nil, "\(evil)")
        }
    }
}
