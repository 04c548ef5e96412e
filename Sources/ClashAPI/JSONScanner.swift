// A resumable pull scanner for JSON (RFC 8259): validates structure, reports byte ranges, decodes and copies nothing.
// A document may come in chunks of any size; a token that spans chunks is reported in parts. Memory is constant.
// More lenient than a full parser in three ways, all harmless to its users: bytes above 0x7F inside strings are not
// checked to be UTF-8, escaped surrogates need not come in pairs, and a number may be too big for a Double.
// A UTF-8 byte order mark in front is skipped.

import Ground

struct JSONScanner: Sendable {
    enum Event: Equatable, Sendable {
        case objectStart
        case objectEnd
        case arrayStart
        case arrayEnd
        /// A member's name, or a part of it.
        case key(Text)
        /// A string value, or a part of it.
        case string(Text)
        /// A number, or a part of it. At top level its last part is not told: only `finish` knows it is over.
        case number(Text)
        case literal(Literal)
        /// The chunk is used up.
        case needsInput
        /// Not JSON, or too deep. Final.
        case invalid
    }

    /// Where a token's bytes stand in the current chunk; a string's without its quotes.
    struct Text: Equatable, Sendable {
        var range: Range<Int>
        /// False when the token goes on in the next chunk.
        var isComplete: Bool
        /// Whether the token had a backslash so far.
        var hasEscapes: Bool
    }

    enum Literal: UInt8, Sendable {
        case null
        case `true`
        case `false`
    }

    private enum State: Sendable {
        case start, byteOrderMark(Int)
        case value, valueOrArrayEnd, keyOrObjectEnd, key, colon, commaOrEnd
        case text(isKey: Bool)
        case number(JSONNumberState)
        case literal(Literal, matched: Int)
        case done, failed
    }

    static let depthLimit = 512

    private var state = State.start
    private var containers = ContainerStack()
    private let maxDepth: Int
    /// Inside an escape: 0 none, 1 behind the backslash, 2…5 that many hex digits minus one to come.
    private var escape: UInt8 = 0
    private var hasEscapes = false

    /// Containers open at this point.
    var depth: Int { containers.depth }

    /// - Parameter maxDepth: nesting beyond it is `invalid`; at most `depthLimit`.
    init(maxDepth: Int = 128) {
        self.maxDepth = min(maxDepth, JSONScanner.depthLimit)
    }

    /// Whether the input so far is the beginning of a document that must go on: neither a whole one nor something else.
    var isInside: Bool {
        switch state {
        case .start, .byteOrderMark, .done, .failed: false
        case .value: depth > 0
        case .number(let number): depth > 0 || !number.canEnd
        case .valueOrArrayEnd, .keyOrObjectEnd, .key, .colon, .commaOrEnd, .text, .literal: true
        }
    }

    /// Whether the input was one complete document. To be asked once, at the end of the input.
    mutating func finish() -> Bool {
        if case .number(let number) = state, number.canEnd, depth == 0 { state = .done }
        if case .done = state { return true }
        state = .failed
        return false
    }

    /// The next token from `offset` on, which is moved behind it.
    mutating func next(in chunk: Span<UInt8>, at offset: inout Int) -> Event {
        while offset < chunk.count {
            switch state {
            case .text(let isKey): return scanText(chunk, &offset, isKey: isKey)
            case .number(let number): return scanNumber(chunk, &offset, from: number)
            case .literal(let literal, let matched):
                if let event = scanLiteral(chunk, &offset, literal, matched) { return event }
            case .failed: return .invalid
            case .start, .byteOrderMark: skipByteOrderMark(chunk[offset], &offset)
            case .value, .valueOrArrayEnd, .keyOrObjectEnd, .key, .colon, .commaOrEnd, .done:
                let byte = chunk[offset]
                if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
                    offset += 1
                } else if let event = scanStructure(byte, chunk, &offset) {
                    return event
                }
            }
        }
        if case .failed = state { return .invalid }
        return .needsInput
    }

    private mutating func fail() -> Event {
        state = .failed
        return .invalid
    }

    private mutating func skipByteOrderMark(_ byte: UInt8, _ offset: inout Int) {
        switch (state, byte) {
        case (.start, 0xEF): state = .byteOrderMark(1)
        case (.byteOrderMark(1), 0xBB): state = .byteOrderMark(2)
        case (.byteOrderMark(2), 0xBF): state = .value
        case (.start, _):
            state = .value
            return
        default:
            state = .failed
            return
        }
        offset += 1
    }

    /// Handles the first byte of a token; nil when it made no event of its own.
    @inline(__always)
    private mutating func scanStructure(_ byte: UInt8, _ chunk: Span<UInt8>, _ offset: inout Int) -> Event? {
        switch (state, byte) {
        case (.value, _): return startValue(byte, chunk, &offset)
        case (.valueOrArrayEnd, 0x5D), (.commaOrEnd, 0x5D): return close(.array, &offset)
        case (.valueOrArrayEnd, _): return startValue(byte, chunk, &offset)
        case (.keyOrObjectEnd, 0x7D), (.commaOrEnd, 0x7D): return close(.object, &offset)
        case (.keyOrObjectEnd, ASCII.quote), (.key, ASCII.quote): return startText(chunk, &offset, isKey: true)
        case (.colon, ASCII.colon): state = .value
        case (.commaOrEnd, 0x2C): state = containers.isObject ? .key : .value
        default: return fail()
        }
        offset += 1
        return nil
    }

    @inline(__always)
    private mutating func startValue(_ byte: UInt8, _ chunk: Span<UInt8>, _ offset: inout Int) -> Event? {
        switch byte {
        case 0x7B: return open(.object, &offset)
        case 0x5B: return open(.array, &offset)
        case ASCII.quote: return startText(chunk, &offset, isKey: false)
        case 0x2D, 0x30...0x39: state = .number(.start)
        case 0x74: state = .literal(.true, matched: 0)
        case 0x66: state = .literal(.false, matched: 0)
        case 0x6E: state = .literal(.null, matched: 0)
        default: return fail()
        }
        return nil
    }

    private mutating func open(_ container: ContainerStack.Container, _ offset: inout Int) -> Event {
        guard depth < maxDepth else { return fail() }
        containers.push(container)
        offset += 1
        state = container == .object ? .keyOrObjectEnd : .valueOrArrayEnd
        return container == .object ? .objectStart : .arrayStart
    }

    private mutating func close(_ container: ContainerStack.Container, _ offset: inout Int) -> Event {
        guard depth > 0, containers.isObject == (container == .object) else { return fail() }
        containers.pop()
        offset += 1
        valueEnded()
        return container == .object ? .objectEnd : .arrayEnd
    }

    private mutating func valueEnded() {
        state = depth == 0 ? .done : .commaOrEnd
    }

    private mutating func startText(_ chunk: Span<UInt8>, _ offset: inout Int, isKey: Bool) -> Event {
        offset += 1
        escape = 0
        hasEscapes = false
        state = .text(isKey: isKey)
        return scanText(chunk, &offset, isKey: isKey)
    }

    private mutating func scanText(_ chunk: Span<UInt8>, _ offset: inout Int, isKey: Bool) -> Event {
        let start = offset
        var index = offset
        while index < chunk.count {
            if escape != 0 {
                guard acceptEscape(chunk[index]) else { return fail() }
                index += 1
                continue
            }
            index = JSONScanner.skipPlainText(chunk, from: index)
            guard index < chunk.count else { break }
            switch chunk[index] {
            case ASCII.quote:
                offset = index + 1
                if isKey { state = .colon } else { valueEnded() }
                return text(start..<index, isKey: isKey, isComplete: true)
            case ASCII.backslash:
                escape = 1
                hasEscapes = true
                index += 1
            default: return fail()
            }
        }
        offset = chunk.count
        return text(start..<chunk.count, isKey: isKey, isComplete: false)
    }

    private func text(_ range: Range<Int>, isKey: Bool, isComplete: Bool) -> Event {
        let text = Text(range: range, isComplete: isComplete, hasEscapes: hasEscapes)
        return isKey ? .key(text) : .string(text)
    }

    private mutating func acceptEscape(_ byte: UInt8) -> Bool {
        if escape == 1 {
            switch byte {
            case ASCII.quote, ASCII.backslash, ASCII.slash, 0x62, 0x66, 0x6E, 0x72, 0x74: escape = 0
            case 0x75: escape = 5
            default: return false
            }
            return true
        }
        guard ASCII.hexValue(byte) != nil else { return false }
        escape = escape == 2 ? 0 : escape - 1
        return true
    }

    /// The next byte that ends a run of plain text: a quote, a backslash or a control character. Eight at a time.
    @inline(__always)
    private static func skipPlainText(_ chunk: Span<UInt8>, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let bytes = chunk.bytes
        var index = start
        while index + 8 <= chunk.count {
            let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
            let quotes = word ^ (ones &* UInt64(ASCII.quote))
            let backslashes = word ^ (ones &* UInt64(ASCII.backslash))
            // Each term has the high bit set in the first byte that is zero (or below 0x20).
            let found =
                ((quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
                    | (word &- ones &* 0x20) & ~word) & highs
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < chunk.count {
            let byte = chunk[index]
            if byte == ASCII.quote || byte == ASCII.backslash || byte < 0x20 { break }
            index += 1
        }
        return index
    }

    private mutating func scanNumber(_ chunk: Span<UInt8>, _ offset: inout Int, from first: JSONNumberState) -> Event {
        let start = offset
        var number = first
        while offset < chunk.count {
            guard let next = number.next(chunk[offset]) else {
                guard number.canEnd else { return fail() }
                valueEnded()
                return .number(Text(range: start..<offset, isComplete: true, hasEscapes: false))
            }
            number = next
            offset += 1
        }
        state = .number(number)
        return .number(Text(range: start..<offset, isComplete: false, hasEscapes: false))
    }

    private mutating func scanLiteral(
        _ chunk: Span<UInt8>, _ offset: inout Int, _ literal: Literal, _ matched: Int
    ) -> Event? {
        let spelling: StaticString =
            switch literal {
            case .null: "null"
            case .true: "true"
            case .false: "false"
            }
        var matched = matched
        while offset < chunk.count {
            guard chunk[offset] == spelling.utf8Start[matched] else { return fail() }
            offset += 1
            matched += 1
            if matched == spelling.utf8CodeUnitCount {
                valueEnded()
                return .literal(literal)
            }
        }
        state = .literal(literal, matched: matched)
        return nil
    }
}
