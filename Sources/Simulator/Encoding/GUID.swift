// GUIDs in the two spellings that the API uses: dashed text (v2), and the little-endian byte order of
// Microsoft's structure, base64url-encoded in twos and threes (v1 ids carry their project in front).

/// A 16-byte id.
struct GUID: Hashable, Sendable {
    /// The first eight bytes in text order.
    var high: UInt64
    /// The last eight bytes in text order.
    var low: UInt64

    /// A version 4 GUID drawn from the generator.
    init(from random: inout SplitMix) {
        high = (random.next() & ~0xF000) | 0x4000
        low = (random.next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
    }

    /// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, either case.
    init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36 else { return nil }
        var digits: [UInt64] = []
        for (index, byte) in text.utf8.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                guard let digit = hexValue(byte) else { return nil }
                digits.append(UInt64(digit))
            }
        }
        high = digits[..<16].reduce(0) { $0 << 4 | $1 }
        low = digits[16...].reduce(0) { $0 << 4 | $1 }
    }

    /// Lower-case dashed text.
    var text: String {
        let digits = hexDigits(high, count: 16) + hexDigits(low, count: 16)
        var out: [UInt8] = []
        out.reserveCapacity(36)
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 12 || index == 16 || index == 20 { out.append(UInt8(ascii: "-")) }
            out.append(digit)
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// The sixteen bytes with the first three groups reversed.
    var littleEndianBytes: [UInt8] {
        let head = bigEndianBytes(high)
        return [head[3], head[2], head[1], head[0], head[5], head[4], head[7], head[6]] + bigEndianBytes(low)
    }

    /// Reads sixteen bytes as ``littleEndianBytes`` writes them.
    init?(littleEndian bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        let at = Array(bytes)
        let head = [at[3], at[2], at[1], at[0], at[5], at[4], at[7], at[6]]
        high = head.reduce(0) { $0 << 8 | UInt64($1) }
        low = at[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// A v1 id: base64url of two GUIDs (project, entity), or three for a result (project, test, run).
struct LegacyID: Hashable, Sendable {
    var parts: [GUID]

    init(_ parts: GUID...) {
        self.parts = parts
    }

    /// Nil unless the text is the canonical spelling of exactly `count` GUIDs.
    init?(_ text: some StringProtocol, parts count: Int) {
        guard let bytes = Base64.decode(text, alphabet: .url), bytes.count == 16 * count else { return nil }
        parts = (0..<count).compactMap { GUID(littleEndian: bytes[($0 * 16)..<($0 * 16 + 16)]) }
        guard parts.count == count, self.text == text else { return nil }
    }

    var text: String { Base64.encode(parts.flatMap(\.littleEndianBytes), alphabet: .url) }
}

private func bigEndianBytes(_ value: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
}

/// Lower-case hexadecimal digits of a number, padded to `count`.
func hexDigits(_ value: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { index in
        let nibble = UInt8(truncatingIfNeeded: value >> UInt64(4 * (count - 1 - index)) & 0xF)
        return nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}

/// The value of one hexadecimal digit.
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
