// Replies out of the bytes of a connection, as they come: in halves, or many at once. A value without I/O.
//
// Whoever stands at the other end may be anybody: what one reply may hold is bounded, and announced lengths are believed by
// nobody but the comparison with those bounds. After an error there is nothing more to be had; the connection has to end.

import NIOCore

/// What came is no reply of a Redis server, or more of one than this program takes.
struct RESPGarbage: Error, Equatable {
    /// For people.
    let message: String
}

/// Takes bytes and gives replies.
struct RESPParser: Sendable {
    /// What one reply may hold.
    struct Limits: Sendable {
        /// Bytes of a line without its end: a number, a simple text, an error.
        var line = 16 * 1024
        /// Bytes of one bulk.
        var bulk = 8 * 1024 * 1024
        /// Values of one reply, arrays included.
        var values = 100_000
        /// Arrays in arrays.
        var depth = 8
        /// All its bytes.
        var reply = 16 * 1024 * 1024
    }

    private struct OpenArray {
        var missing: Int
        var items: [RESPValue]
    }

    private enum Element {
        case value(RESPValue)
        /// An array of so many, at least one.
        case array(Int)
    }

    private let limits: Limits
    private var bytes = ByteBuffer()
    /// Arrays that are not complete, the outermost first.
    private var arrays: [OpenArray] = []
    /// So many bytes of the line at hand have no line feed.
    private var looked = 0
    /// The bulk at hand has so many bytes.
    private var bulk: Int?
    /// Of the reply at hand, so far.
    private var values = 0
    private var taken = 0

    init(limits: Limits = Limits()) { self.limits = limits }

    /// Whether it holds half of something.
    var isInReply: Bool { bytes.readableBytes > 0 || !arrays.isEmpty || bulk != nil }

    /// Bytes that wait for more. Between calls of `next` that returned nil: at most a bulk, and what the last `feed` brought.
    var heldBytes: Int { bytes.readableBytes }

    /// Takes what has come. To be followed by `next` until that returns nil.
    mutating func feed(_ more: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = more
        } else {
            var more = more
            bytes.writeBuffer(&more)
        }
    }

    /// The next complete reply; nil: more bytes are needed.
    mutating func next() throws(RESPGarbage) -> RESPValue? {
        while let element = try element() {
            values += 1
            if values > limits.values { throw RESPGarbage(message: "a reply of more than \(limits.values) values") }
            switch element {
            case .array(let count):
                if arrays.count >= limits.depth {
                    throw RESPGarbage(message: "a reply nested more than \(limits.depth) deep")
                }
                arrays.append(OpenArray(missing: count, items: []))
            case .value(let value):
                if let reply = close(value) {
                    (values, taken) = (0, 0)
                    return reply
                }
            }
        }
        // What was read is let go of, so that a long-lived connection does not keep its largest reply.
        if bytes.readableBytes == 0 { bytes = ByteBuffer() } else { bytes.discardReadBytes() }
        return nil
    }

    /// Puts a value where it belongs; the reply, if that completes it.
    private mutating func close(_ value: RESPValue) -> RESPValue? {
        var value = value
        while let last = arrays.indices.last {
            arrays[last].items.append(value)
            arrays[last].missing -= 1
            if arrays[last].missing > 0 { return nil }
            value = .array(arrays.removeLast().items)
        }
        return value
    }

    private mutating func element() throws(RESPGarbage) -> Element? {
        if let bulk { return try body(bulk) }
        guard let line = try line() else { return nil }
        guard let kind = line.first else { throw RESPGarbage(message: "an empty line instead of a reply") }
        let rest = line.dropFirst()
        switch kind {
        case UInt8(ascii: "+"): return .value(.simple(String(decoding: rest, as: UTF8.self)))
        case UInt8(ascii: "-"): return .value(.error(String(decoding: rest, as: UTF8.self)))
        case UInt8(ascii: ":"): return .value(.integer(try number(rest)))
        case UInt8(ascii: "$"):
            guard let length = try length(rest, atMost: limits.bulk, of: "bytes") else { return .value(.null) }
            bulk = length
            return try body(length)
        case UInt8(ascii: "*"):
            guard let count = try length(rest, atMost: limits.values, of: "values") else { return .value(.null) }
            return count == 0 ? .value(.array([])) : .array(count)
        default:
            throw RESPGarbage(message: "not the Redis protocol: a reply that begins with byte \(kind)")
        }
    }

    /// The bytes of a bulk and the line end behind them.
    private mutating func body(_ length: Int) throws(RESPGarbage) -> Element? {
        guard bytes.readableBytes >= length + 2 else { return nil }
        try count(length + 2)
        guard let content = bytes.readBytes(length: length), bytes.readInteger(as: UInt16.self) == 0x0D0A else {
            throw RESPGarbage(message: "a bulk that does not end where it said")
        }
        bulk = nil
        return .value(.bulk(content))
    }

    /// A line without its end; nil where it is not complete.
    private mutating func line() throws(RESPGarbage) -> [UInt8]? {
        let view = bytes.readableBytesView
        guard let end = view.dropFirst(looked).firstIndex(of: 0x0A) else {
            looked = view.count
            if looked > limits.line { throw RESPGarbage(message: "a line of more than \(limits.line) bytes") }
            return nil
        }
        looked = 0
        let length = end - view.startIndex
        if length > limits.line + 1 { throw RESPGarbage(message: "a line of more than \(limits.line) bytes") }
        try count(length + 1)
        guard var line = bytes.readBytes(length: length + 1), line.count >= 2, line[line.count - 2] == 0x0D else {
            throw RESPGarbage(message: "a line that does not end with CR LF")
        }
        line.removeLast(2)
        if line.contains(0x0D) { throw RESPGarbage(message: "a CR within a line") }
        return line
    }

    private mutating func count(_ more: Int) throws(RESPGarbage) {
        taken += more
        if taken > limits.reply { throw RESPGarbage(message: "a reply of more than \(limits.reply) bytes") }
    }

    private func number(_ digits: ArraySlice<UInt8>) throws(RESPGarbage) -> Int64 {
        guard let number = Int64(String(decoding: digits, as: UTF8.self)) else {
            throw RESPGarbage(message: "a number that is none")
        }
        return number
    }

    /// Nil for -1, which means that nothing is there.
    private func length(
        _ digits: ArraySlice<UInt8>, atMost limit: Int, of what: String
    ) throws(RESPGarbage) -> Int? {
        let length = try number(digits)
        if length == -1 { return nil }
        guard length >= 0 else { throw RESPGarbage(message: "a negative length") }
        guard length <= limit else { throw RESPGarbage(message: "\(length) \(what) announced, more than \(limit)") }
        return Int(length)
    }
}
