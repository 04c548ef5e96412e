// Where in the bytes of a head the one value stands that differs between requests that are the same otherwise.

import Glibc

/// A whole head as it came, cut at the value of its correlation id.
struct RawHead: Equatable {
    /// Bytes with the empty line at the end.
    let length: Int
    /// The value of `x-correlation-id`; empty and at the end of the head where it has none.
    let id: Range<Int>

    /// The longest that is looked at.
    static let maxBytes = 8 << 10

    /// The head that `bytes` begin with. Nil where it is not whole, too long, no read, or where what it says about its
    /// correlation id could be taken in more than one way: then it is read as if nothing were known.
    static func scan(_ bytes: UnsafeRawBufferPointer) -> RawHead? {
        guard let base = bytes.baseAddress, bytes.count > 4,
            bytes[0] == UInt8(ascii: "G") || bytes[0] == UInt8(ascii: "H")
        else { return nil }
        let limit = min(bytes.count, maxBytes)
        var id: Range<Int>?
        var start = 0
        while start < limit, let found = memchr(base + start, 0x0A, limit - start) {
            let end = UnsafeRawPointer(found) - base
            guard end > start, bytes[end - 1] == 0x0D else { return nil }
            if end - start == 1 {
                let length = end + 1
                return start == 0 ? nil : RawHead(length: length, id: id ?? length..<length)
            }
            if end - start > name.utf8CodeUnitCount, bytes[start] | 0x20 == UInt8(ascii: "x"), isNamed(base + start) {
                guard id == nil, let value = value(start + name.utf8CodeUnitCount..<end - 1, of: bytes) else {
                    return nil
                }
                id = value
            }
            start = end + 1
        }
        return nil
    }

    private static let name: StaticString = "x-correlation-id:"

    private static func isNamed(_ line: UnsafeRawPointer) -> Bool {
        strncasecmp(line.assumingMemoryBound(to: CChar.self), "x-correlation-id:", name.utf8CodeUnitCount) == 0
    }

    /// At most one blank, and an id that is taken as it is.
    private static func value(_ rest: Range<Int>, of bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        let start = rest.first.map { bytes[$0] == 0x20 } == true ? rest.lowerBound + 1 : rest.lowerBound
        let value = start..<rest.upperBound
        guard (1...OfferedID.maxBytes).contains(value.count) else { return nil }
        return bytes[value].allSatisfy(OfferedID.isAcceptable) ? value : nil
    }
}
