// Which frames come on an HTTP/2 connection, seen from outside: their heads alone (RFC 9113 section 4.1).

import NIOCore

/// The head of a frame.
struct FrameHead: Equatable {
    /// Types by their numbers (RFC 9113 section 6); others are extensions.
    enum Kind: UInt8 {
        case data, headers, priority, resetStream, settings, pushPromise, ping, goAway, windowUpdate, continuation
    }

    static let bytes = 9

    let length: Int
    let type: UInt8
    let flags: UInt8
    let stream: UInt32

    var kind: Kind? { Kind(rawValue: type) }
    /// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
    var hasFirstFlag: Bool { flags & 0x1 != 0 }
    /// Of HEADERS and CONTINUATION.
    var endsHeaders: Bool { flags & 0x4 != 0 }

    init(length: Int, type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0) {
        (self.length, self.type, self.flags, self.stream) = (length, type, flags, stream)
    }

    /// - Parameter bytes: nine of them.
    init(_ bytes: Slice<UnsafeRawBufferPointer>) {
        let start = bytes.startIndex
        func number(_ range: Range<Int>) -> UInt32 {
            range.reduce(0) { $0 << 8 | UInt32(bytes[start + $1]) }
        }
        length = Int(number(0..<3))
        type = bytes[start + 3]
        flags = bytes[start + 4]
        stream = number(5..<9) & 0x7FFF_FFFF
    }
}

/// Finds the heads of frames in what the socket delivers. Heads are never cut: what is left of one waits for the rest.
struct FrameScan {
    enum Step: Equatable {
        case frame(FrameHead)
        /// The first SETTINGS is complete.
        case settingsCame
        /// So many bytes at the end are the beginning of a head.
        case left(Int)

        var isFrame: Bool { if case .frame = self { true } else { false } }
    }

    /// The connection begins with these (RFC 9113 section 3.4).
    static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    /// Bytes of the present frame, or of the preface, that are still to come.
    private var payloadLeft = preface.utf8CodeUnitCount
    private var firstSettings = Progress.awaited

    /// More of a frame's payload, or of the preface, is to come.
    var isInPayload: Bool { payloadLeft > 0 }

    private enum Progress { case awaited, begun, complete }

    /// Goes on to the next head.
    ///
    /// - Parameter index: where it stands in `bytes`; moved on.
    mutating func advance(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> Step {
        let skipped = min(payloadLeft, bytes.count - index)
        payloadLeft -= skipped
        index += skipped
        if payloadLeft == 0, firstSettings == .begun {
            firstSettings = .complete
            return .settingsCame
        }
        guard payloadLeft == 0, bytes.count - index >= FrameHead.bytes else { return .left(bytes.count - index) }
        let head = FrameHead(bytes[index..<(index + FrameHead.bytes)])
        index += FrameHead.bytes
        payloadLeft = head.length
        if firstSettings == .awaited, head.kind == .settings, !head.hasFirstFlag { firstSettings = .begun }
        return .frame(head)
    }
}
