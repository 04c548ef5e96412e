// Hex, base64, blanks and numbers as bytes.

import Foundation
import Ground
import TestSupport
import Testing

@Suite("Bytes as text")
struct TextTests {
    @Test("every byte has its two digits, and only such digits are read, in either case")
    func hex() {
        let all = (UInt8.min...UInt8.max).map { $0 }
        let text = all.map { String(format: "%02x", $0) }.joined()
        #expect(Hex.text(all) == text && Hex.bytes(text) == all && Hex.bytes(text.uppercased()) == all)
        #expect(Hex.text([]) == "" && Hex.bytes("") == [])
        for bad in ["0", "000", "0g", "g0", "+1", " 1", "0x", "é"] { #expect(Hex.bytes(bad) == nil, "\(bad)") }
        let digits = (0..<16).map { Hex.upperDigit($0) }
        #expect(String(decoding: digits, as: UTF8.self) == "0123456789ABCDEF")
        for byte in all {
            let value = Character(Unicode.Scalar(byte)).hexDigitValue
            #expect(ASCII.hexValue(byte).map(Int.init) == (byte < 0x80 ? value : nil))
        }
    }

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

    @Test(
        "what is no base64url is refused, a second spelling of the same bytes included",
        arguments: ["A", "AAAAA", "AA==", "A+A", "A/A", "A A", "é", "AA\n", "AB", "AAB"])
    func noBase64(text: String) {
        #expect(Base64.decodeURL(text.utf8) == nil)
    }

    @Test("blanks are spaces and tabs, and are taken off both ends only")
    func blanks() {
        let cases = [
            ("", ""), (" ", ""), ("\t \t", ""), ("a", "a"), (" a", "a"), ("a\t", "a"), ("\t a b\t ", "a b"),
            ("\na\r", "\na\r"), (" \u{301}", "\u{301}"), ("\u{A0}a\u{A0}", "\u{A0}a\u{A0}"), (" é ", "é"),
        ]
        for (text, inner) in cases {
            #expect(Array(text.trimmedBlanks.utf8) == Array(inner.utf8), "\(text)")
            #expect(Array(Array(text.utf8).trimmedBlanks) == Array(inner.utf8), "\(text)")
            let bytes = Array(text.utf8)
            let range = bytes.span.trimmed(0..<bytes.count)
            #expect(Array(bytes[range]) == Array(inner.utf8), "\(text)")
        }
        // Nothing outside the range counts.
        let inner = [0x20, 0x20, 0x41, 0x20].span.trimmed(1..<3)
        #expect(inner == 2..<3)
    }

    @Test("a word is known in any case, and only at its full length")
    func words() {
        func spells(_ word: String, _ range: Range<Int>) -> Bool {
            let bytes = Array("xGmT@z".utf8)
            return bytes.span.spells(word, in: range)
        }
        #expect(spells("gmt", 1..<4))
        #expect(!spells("gmt", 0..<3) && !spells("gm", 1..<4))
        // 0x40 and 0x60 differ in the bit that tells the cases of letters apart.
        #expect(!spells("`", 4..<5))
    }

    @Test("numbers are read with exactly so many digits")
    func numbersRead() {
        func number(_ digits: Int, _ start: Int) -> Int? {
            let bytes = Array("0420a-1".utf8)
            return bytes.span.number(digits: digits, at: start)
        }
        #expect(number(4, 0) == 420 && number(1, 6) == 1)
        #expect(number(5, 0) == nil && number(2, 5) == nil && number(2, 6) == nil)
    }

    @Test("numbers are written as Swift writes them")
    func numbersWritten() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, -1, -10, .max, .min] {
            var out: [UInt8] = [0x78]
            out.append(decimal: number)
            #expect(String(decoding: out, as: UTF8.self) == "x\(number)")
        }
        var out: [UInt8] = []
        out.append(decimal: UInt64.max)
        out.append(" ")
        out.append(7, digits: 3)
        out.append(12_345, digits: 2)
        #expect(String(decoding: out, as: UTF8.self) == "18446744073709551615 00745")
    }

    @Test("a key is found however it is written, hidden alone where that can be, and nothing else is")
    func keys() {
        for (text, hidden) in [
            ("/runs/cpk_AbC-_9/x", "/runs/cpk_***/x"), ("a=CPK_x&cpk_y z", "a=cpk_***&cpk_*** z"), ("cpk_", "cpk_***"),
            ("/runs/%63pk%5Fabc", "***"), ("%43PK_1", "***"),
        ] {
            #expect(KeyForm.isIn(text) && KeyForm.hidden(text) == hidden, "\(text)")
        }
        for text in ["", "cpk", "cp_k", "c_pk", "/clash-detection/itwins/a_b/x%20y", "%", "%zz_", "xpk_a"] {
            #expect(!KeyForm.isIn(text) && KeyForm.hidden(text) == text, "\(text)")
        }
    }
}
