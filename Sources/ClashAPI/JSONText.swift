// JSON strings as text: collecting one that comes in parts, and writing one.

import Ground

/// Collects the parts of a key, string or number up to a limit.
struct JSONTextReader: Sendable {
    private(set) var bytes: [UInt8] = []
    private(set) var overflowed = false
    private var isOpen = false
    private var hasEscapes = false
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    /// Adds a part; true when the token is complete.
    mutating func add(_ text: JSONScanner.Text, in chunk: Span<UInt8>) -> Bool {
        if !isOpen {
            bytes.removeAll(keepingCapacity: true)
            overflowed = false
            isOpen = true
        }
        hasEscapes = text.hasEscapes
        if overflowed || text.range.count > limit - bytes.count {
            overflowed = true
        } else {
            bytes.append(chunk, text.range)
        }
        if text.isComplete { isOpen = false }
        return text.isComplete
    }

    /// Whether a token that starts and ends in this chunk can be read where it stands.
    @inline(__always)
    func isPlain(_ text: JSONScanner.Text) -> Bool { text.isComplete && !isOpen && !text.hasEscapes }

    /// The token with its escapes undone; nil if it was too long or has an escape that means no character.
    func decoded() -> [UInt8]? {
        if overflowed { return nil }
        return hasEscapes ? JSONEscapes.decode(bytes) : bytes
    }

    func decodedString() -> String? {
        decoded().map { String(decoding: $0, as: UTF8.self) }
    }
}

extension JSONEscapes {
    /// Appends text as the inside of a JSON string. No more is escaped than must be: what upstream wrote in a link
    /// stays as near to its own bytes as it can.
    static func append(_ bytes: [UInt8], to out: inout [UInt8]) {
        for byte in bytes {
            switch byte {
            case ASCII.quote, ASCII.backslash: out.append(contentsOf: [ASCII.backslash, byte])
            case ..<0x20:
                out.append(contentsOf: "\\u00".utf8)
                Hex.append(byte, to: &out)
            default: out.append(byte)
            }
        }
    }
}

extension [UInt8] {
    /// Appends part of a span in one copy.
    mutating func append(_ span: Span<UInt8>, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        span.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
