// Ids by what they say, whatever their spelling: who may touch what must not depend on a dash.

import Ground

/// The 128 bits of a GUID: one value for all of its spellings.
package struct EntityID: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// A GUID in lower or upper case, with or without dashes, in braces or parentheses, in the form
    /// `{0x…,0x…,0x…,{0x…,…}}`, percent-encoded or not; nil for anything else.
    package init?(_ text: String) {
        self.init(spelled: IDText.plain(text)[...])
    }

    /// As the API writes it: lower case, with dashes.
    package var text: String {
        var text: [UInt8] = []
        text.reserveCapacity(GUID.length)
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append(0x2D) }
            let half = index < 8 ? high : low
            Hex.append(UInt8(truncatingIfNeeded: half >> UInt64(8 * (7 - index % 8))), to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }

    fileprivate init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// From the 16 bytes at `start`, as Microsoft's libraries write them.
    fileprivate init(microsoft bytes: [UInt8], at start: Int) {
        let halves = GUID.byteOrder.enumerated().reduce(into: (high: UInt64(0), low: UInt64(0))) { halves, place in
            let byte = UInt64(bytes[start + place.element])
            if place.offset < 8 { halves.high = halves.high << 8 | byte } else { halves.low = halves.low << 8 | byte }
        }
        self.init(high: halves.high, low: halves.low)
    }

    fileprivate init?(spelled text: ArraySlice<UInt8>) {
        guard let first = text.first, let last = text.last else { return nil }
        switch (first, last) {
        case (0x7B, 0x7D): self.init(digits: text.dropFirst().dropLast(), mayBeNumbers: true)
        case (0x28, 0x29): self.init(digits: text.dropFirst().dropLast(), mayBeNumbers: false)
        default: self.init(digits: text, mayBeNumbers: false)
        }
    }

    private init?(digits text: ArraySlice<UInt8>, mayBeNumbers: Bool) {
        if mayBeNumbers, text.contains(0x2C) {
            self.init(numbers: text)
            return
        }
        let dashes: Set = [8, 13, 18, 23]
        guard text.count == 32 || text.count == GUID.length else { return nil }
        var (high, low, digits) = (UInt64(0), UInt64(0), 0)
        for (index, byte) in text.enumerated() {
            if text.count == GUID.length, dashes.contains(index) {
                guard byte == 0x2D else { return nil }
                continue
            }
            guard let digit = ASCII.hexValue(byte) else { return nil }
            if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
            digits += 1
        }
        self.init(high: high, low: low)
    }

    /// `0x…,0x…,0x…,{0x…,…}`: eleven hexadecimal numbers, of 4, 2, 2 and eight times 1 byte.
    private init?(numbers text: ArraySlice<UInt8>) {
        let parts = text.filter { $0 != 0x7B && $0 != 0x7D && $0 != 0x20 }
            .split(separator: 0x2C, omittingEmptySubsequences: false)
        let widths = [8, 4, 4] + Array(repeating: 2, count: 8)
        guard parts.count == widths.count else { return nil }
        var digits: [UInt8] = []
        for (part, width) in zip(parts, widths) {
            let number = part.dropFirst(2).drop { $0 == 0x30 }
            guard part.count > 2, part.first == 0x30, part.dropFirst().first.map({ $0 | 0x20 }) == 0x78,
                number.count <= width
            else { return nil }
            digits += Array(repeating: 0x30, count: width - number.count) + number
        }
        self.init(digits: digits[...], mayBeNumbers: false)
    }
}

/// An id of the API in whatever spelling: a GUID, or a v1 id with the GUIDs in it.
package enum AnyID: Hashable, Sendable {
    /// A GUID.
    case guid(EntityID)
    /// A v1 id. The entity of a result is its run.
    case v1(project: EntityID, entity: EntityID)

    /// Nil if the text is neither, so that nobody knows what it names.
    package init?(_ text: String) {
        self.init(plain: IDText.plain(text))
    }

    /// The object itself.
    package var entity: EntityID {
        switch self {
        case .guid(let id): id
        case .v1(_, let entity): entity
        }
    }

    /// The iTwin that a v1 id carries.
    package var project: EntityID? {
        if case .v1(let project, _) = self { return project }
        return nil
    }

    init?(plain text: [UInt8]) {
        if let guid = EntityID(spelled: text[...]) {
            self = .guid(guid)
            return
        }
        guard let bytes = IDText.v1Bytes(text) else { return nil }
        self = .v1(
            project: EntityID(microsoft: bytes, at: 0), entity: EntityID(microsoft: bytes, at: bytes.count - 16))
    }
}

/// The text of an id, freed of what readers upstream may look past.
enum IDText {
    /// Longer texts are no ids.
    private static let longest = 256

    /// Without percent-escapes (however often they were put over each other) and without blanks around.
    static func plain(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        guard bytes.count <= longest else { return [] }
        while bytes.contains(ASCII.percent) {
            let decoded = undoingEscapes(bytes)
            if decoded == bytes { break }
            bytes = decoded
        }
        let isBlank = { (byte: UInt8) in byte == 0x20 || (0x09...0x0D).contains(byte) }
        let start = bytes.firstIndex { !isBlank($0) } ?? bytes.endIndex
        let end = bytes.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
        return Array(bytes[start..<end])
    }

    private static func undoingEscapes(_ bytes: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if let byte = PercentEscape.byte(bytes.span, at: index, end: bytes.count) {
                decoded.append(byte)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return decoded
    }

    /// The 32 or 48 bytes of a v1 id, in either alphabet of base64, with padding and with bits left over or without.
    static func v1Bytes(_ text: [UInt8]) -> [UInt8]? {
        var letters = text
        while letters.last == ASCII.equals { letters.removeLast() }
        guard letters.count == 43 || letters.count == 64 else { return nil }
        for index in letters.indices {
            if letters[index] == ASCII.plus { letters[index] = UInt8(ascii: "-") }
            if letters[index] == ASCII.slash { letters[index] = UInt8(ascii: "_") }
        }
        return Base64.decodeURL(letters, leniently: true)
    }
}
