// A log line as bytes. Every request writes one, so nothing is put together from strings first.

import Ground

/// Appends the parts of a line.
struct LineBuilder {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 512) { bytes.reserveCapacity(capacity) }

    mutating func text(_ text: String) {
        let utf8 = text.utf8
        // In one copy: the library's own way for a string's bytes is dearer.
        utf8.span.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    }

    mutating func text(_ text: StaticString) { bytes.append(text) }

    /// A value of a text line: in quotes unless it is one plain word.
    mutating func word(_ text: String) {
        guard LogWord.isPlain(text) else { return self.text(LogWord.quoted(text)) }
        self.text(text)
    }

    /// The inside of a JSON string (RFC 8259, 7).
    mutating func escaped(_ text: String) { JSONText.appendInside(text, to: &bytes) }

    mutating func number(_ number: Int) { bytes.append(decimal: number) }

    /// 16 lower-case hexadecimal digits.
    mutating func hex(_ word: UInt64) {
        for half in [UInt32(word >> 32), UInt32(truncatingIfNeeded: word)] {
            withUnsafeBytes(of: Hex.digits(of: half).bigEndian) { bytes.append(contentsOf: $0) }
        }
    }

    /// Milliseconds with one decimal.
    mutating func milliseconds(_ duration: Duration) {
        let tenths = duration.tenthsOfMilliseconds
        number(tenths / 10)
        bytes.append(UInt8(ascii: "."))
        number(tenths % 10)
    }
}

/// Values in lines for people, which are read by blanks.
enum LogWord {
    /// Not empty, printable ASCII, and nothing that could be taken for the end of a value.
    static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
    }

    /// In quotes, escaped as in JSON.
    static func quoted(_ text: String) -> String { JSONText.quoted(text) }

    static func text(_ text: String) -> String { isPlain(text) ? text : quoted(text) }
}
