// The parts of a line that the chain needs, found by position: the number at its start, the two hashes at its end.

import Glibc

struct LineFrame {
    /// `,"hash":"` + 64 + `"}`
    static let hashPartBytes = 75
    /// `,"prev":"` + 64 + `"`
    static let prevPartBytes = 74

    let seq: UInt64
    /// The 64 digits.
    let prev: Range<Int>
    let hash: Range<Int>
    /// How many bytes from the start are hashed.
    let hashedCount: Int

    /// Nil if the line has not the form of a record.
    init?(_ line: Span<UInt8>) {
        let hashPart = line.count - Self.hashPartBytes
        let prevPart = hashPart - Self.prevPartBytes
        guard prevPart > 0, line.holds(#"{"seq":"#, at: 0), line.holds(#","hash":""#, at: hashPart),
            line.holds(#""}"#, at: line.count - 2), line.holds(#","prev":""#, at: prevPart),
            line[hashPart - 1] == 0x22, let (seq, _) = line.number(at: 7)
        else { return nil }
        self.seq = seq
        prev = prevPart + 9..<hashPart - 1
        hash = hashPart + 9..<line.count - 2
        hashedCount = hashPart
    }
}

/// The start of a line: what it is and when it was written, by position.
struct LineStart {
    let seq: UInt64
    let time: Range<Int>
    let event: RecordEvent
    /// Behind the event's value.
    let end: Int

    init?(_ line: Span<UInt8>) {
        guard line.holds(#"{"seq":"#, at: 0), let (seq, next) = line.number(at: 7), line.holds(#","time":""#, at: next)
        else { return nil }
        self.seq = seq
        time = next + 9..<next + 9 + AuditTime.textLength
        guard line.holds(#"","event":""#, at: time.upperBound) else { return nil }
        let start = time.upperBound + 11
        guard let event = RecordEvent.allCases.first(where: { line.holds($0, at: start) }) else { return nil }
        self.event = event
        end = start + event.rawValue.utf8.count + 1
    }
}

extension Span<UInt8> {
    func holds(_ text: StaticString, at index: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        guard index >= 0, index + length <= count else { return false }
        return unsafe withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe memcmp(base + index, text.utf8Start, length) == 0
        }
    }

    /// Whether the event's name and a closing quote stand at `index`.
    fileprivate func holds(_ event: RecordEvent, at index: Int) -> Bool {
        var position = index
        for byte in event.rawValue.utf8 {
            guard position < count, self[position] == byte else { return false }
            position += 1
        }
        return position < count && self[position] == 0x22
    }

    /// A number without sign or leading zero, and the index behind it.
    func number(at start: Int) -> (value: UInt64, end: Int)? {
        var value: UInt64 = 0
        var index = start
        while index < count, self[index] &- 0x30 < 10 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(self[index] - 0x30))
            if overflow || carry { return nil }
            value = sum
            index += 1
        }
        guard index > start, self[start] != 0x30 || index == start + 1 else { return nil }
        return (value, index)
    }

    func equals(_ other: [UInt8], at range: Range<Int>) -> Bool {
        guard range.count == other.count else { return false }
        return unsafe extracting(range).withUnsafeBytes { bytes in
            unsafe other.withUnsafeBytes { unsafe bytes.elementsEqual($0) }
        }
    }

    func text(_ range: Range<Int>) -> String {
        unsafe extracting(range).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
