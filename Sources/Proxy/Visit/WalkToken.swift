// What links to pages of a walk carry: where the page begins, and of which picture of which list. Whoever holds one can go on
// with it after a restart, and at another instance: it says all that is needed to fetch the page anew.

import Ground

/// The place of a page in a walk.
struct WalkPlace: Sendable, Equatable {
    /// Of the picture that the walk goes on with; 0: whichever there is.
    var generation: UInt64 = 0
    /// Rows before the page.
    var offset = 0
    /// Rows before the fetch that the page's first row is in.
    var base = 0
    /// Upstream's token of that fetch, as upstream's links spell it; empty: it needs none.
    var fetchToken: [UInt8] = []
}

/// A token of this proxy. As text `cp1.` and base64url of its numbers, upstream's token and a check of all.
struct WalkToken: Sendable, Equatable {
    /// Tells lists apart: another list's token is none.
    let list: UInt64
    var place: WalkPlace
    /// Rows of its page where the call says no `$top`.
    let size: Int

    static let mark = "cp1."
    private static let mostNumber = 999_999_999

    init(list: UInt64, place: WalkPlace, size: Int) {
        (self.list, self.place, self.size) = (list, place, size)
    }

    /// Whether text is meant as one.
    static func isMeant(_ text: some Collection<UInt8>) -> Bool { text.starts(with: mark.utf8) }

    var text: String {
        var bytes: [UInt8] = []
        Self.append(fixed: list, to: &bytes)
        Self.append(fixed: place.generation, to: &bytes)
        for number in [place.offset, place.base, size] { Self.append(number, to: &bytes) }
        bytes += place.fetchToken
        Self.append(fixed: Self.check(bytes), count: 4, to: &bytes)
        return Self.mark + Base64.encodeURL(bytes)
    }

    /// Nil for text that no token is.
    init?(_ text: some Collection<UInt8>) {
        guard Self.isMeant(text), let bytes = Base64.decodeURL(text.dropFirst(Self.mark.utf8.count)),
            bytes.count > 20
        else { return nil }
        let content = bytes.dropLast(4)
        var check: [UInt8] = []
        Self.append(fixed: Self.check(content), count: 4, to: &check)
        guard check.elementsEqual(bytes.suffix(4)) else { return nil }
        var rest = content
        let list = Self.fixed(&rest)
        place = WalkPlace(generation: Self.fixed(&rest))
        guard let offset = Self.number(&rest), let base = Self.number(&rest), let size = Self.number(&rest),
            base <= offset, size > 0, rest.allSatisfy(Self.mayStandInQuery)
        else { return nil }
        (self.list, self.size) = (list, size)
        (place.offset, place.base, place.fetchToken) = (offset, base, Array(rest))
    }

    /// Whether a byte can be part of a value in a query as it is.
    static func mayStandInQuery(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x21, 0x24, 0x25, 0x27...0x2F, 0x30...0x3A, 0x3D, 0x40...0x5A, 0x5F, 0x61...0x7A, 0x7E: true
        default: false
        }
    }

    // MARK: Bytes

    private static func append(fixed number: UInt64, count: Int = 8, to bytes: inout [UInt8]) {
        for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * shift))) }
    }

    private static func append(_ number: Int, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func fixed(_ bytes: inout ArraySlice<UInt8>) -> UInt64 {
        defer { bytes = bytes.dropFirst(8) }
        return bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func number(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        var (number, shift) = (0, 0)
        while let byte = bytes.popFirst(), shift < 35 {
            number |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return number <= mostNumber ? number : nil }
            shift += 7
        }
        return nil
    }

    private static func check(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
