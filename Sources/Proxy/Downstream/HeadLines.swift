// The lines of an answer's head, one behind the other, written into room that is there already: a buffer that looks for
// room and for other owners at each piece makes up a third of what an answer costs.

import Glibc
import HTTPTypes
import NIOCore

/// Takes pieces of text in their order. Lives as long as the call of `ByteBuffer.writeLines` that makes it.
struct HeadLines {
    private let room: UnsafeMutableRawBufferPointer
    private(set) var count = 0
    /// What the room did not hold.
    private(set) var rest: [UInt8] = []

    fileprivate init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        guard rest.isEmpty, bytes.count <= room.count - count, let start = room.baseAddress else {
            rest += bytes
            return
        }
        memcpy(start + count, source, bytes.count)
        count += bytes.count
    }

    mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func put(text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    mutating func put(_ bytes: ByteBuffer) { bytes.withUnsafeReadableBytes { put($0) } }

    /// Decimal digits.
    mutating func put(number: Int) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { room in
            var (start, left) = (room.count, number.magnitude)
            repeat {
                start -= 1
                room[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: left % 10)
                left /= 10
            } while left > 0
            if number < 0 {
                start -= 1
                room[start] = UInt8(ascii: "-")
            }
            put(UnsafeRawBufferPointer(rebasing: room[start...]))
        }
    }

    /// A field as a line, its value byte for byte.
    mutating func put(_ field: HTTPField) {
        put(text: field.name.rawName)
        put(": ")
        field.withUnsafeBytesOfValue { put(UnsafeRawBufferPointer($0)) }
        put("\r\n")
    }
}

extension ByteBuffer {
    /// Appends what `write` puts. `room` is the number of bytes that it will need; more are taken too.
    mutating func writeLines(room: Int, _ write: (inout HeadLines) -> Void) {
        var rest: [UInt8] = []
        writeWithUnsafeMutableBytes(minimumWritableBytes: room) { bytes in
            var lines = HeadLines(bytes)
            write(&lines)
            rest = lines.rest
            return lines.count
        }
        if !rest.isEmpty { writeBytes(rest) }
    }
}
