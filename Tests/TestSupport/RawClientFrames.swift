// HTTP/2 frames on a raw connection: exactly the bytes that a test wants, and exactly what came back (RFC 9113 section 4).

import Glibc
import Synchronization

/// One frame.
public struct RawFrame: Sendable, Equatable {
    /// Types by their numbers.
    public static let (data, headers, priority, reset, settings, push, ping, goAway, windowUpdate, continuation) =
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) as (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
    /// Flags. ACK is END_STREAM's bit.
    public static let (endStream, endHeaders, padded, prioritised) = (1, 4, 8, 32) as (UInt8, UInt8, UInt8, UInt8)
    /// What a client begins with.
    public static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// What it is.
    public let type: UInt8
    /// Its flags.
    public let flags: UInt8
    /// Its stream, with the reserved bit.
    public let stream: UInt32
    /// What it holds.
    public let payload: [UInt8]

    /// Whether it is the stream's last.
    public var endsStream: Bool { type <= 1 && flags & Self.endStream != 0 }

    /// The error of RST_STREAM and GOAWAY.
    public var code: UInt32 {
        let bytes = type == Self.goAway ? payload.dropFirst(4).prefix(4) : payload.prefix(4)
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The last stream that GOAWAY names, or the increment of WINDOW_UPDATE.
    public var number: UInt32 { payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF }

    /// Makes one.
    public init(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        (self.type, self.flags, self.stream, self.payload) = (type, flags, stream, payload)
    }

    /// As it goes over the wire; `length` where it lies about that.
    public func bytes(length: Int? = nil) -> [UInt8] {
        let length = UInt32(length ?? payload.count)
        return Self.big(length).dropFirst() + [type, flags] + Self.big(stream) + payload
    }

    /// A number in network order.
    public static func big(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    /// SETTINGS.
    public static func settings(_ values: [(UInt16, UInt32)] = [], flags: UInt8 = 0) -> RawFrame {
        RawFrame(
            settings, flags: flags,
            values.flatMap { [UInt8(truncatingIfNeeded: $0.0 >> 8), UInt8(truncatingIfNeeded: $0.0)] + big($0.1) })
    }

    /// A header block of literals without Huffman coding (RFC 7541 section 6.2.2).
    public static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + text(Array($0.0.utf8)) + text(Array($0.1.utf8)) }
    }

    /// A string literal (RFC 7541 section 5.2).
    public static func text(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var (length, left): ([UInt8], Int) = ([127], bytes.count - 127)
        while left >= 128 {
            length.append(UInt8(left & 127) | 128)
            left >>= 7
        }
        return length + [UInt8(left)] + bytes
    }
}

extension RawClient {
    /// The next frame; nil at the end of the connection.
    public func frame() async throws -> RawFrame? {
        try await onThread {
            while true {
                if let frame = self.inbox.withLock({ $0.takeFrame() }) { return frame }
                guard try self.receiveMore() else { return nil }
            }
        }
    }
}

extension RawInbox {
    fileprivate mutating func takeFrame() -> RawFrame? {
        let left = bytes[taken...]
        guard left.count >= 9 else { return nil }
        let head = Array(left.prefix(9))
        let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
        guard left.count >= 9 + length else { return nil }
        let stream = head[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        taken += 9 + length
        return RawFrame(head[3], flags: head[4], stream: stream, Array(left.dropFirst(9).prefix(length)))
    }
}
