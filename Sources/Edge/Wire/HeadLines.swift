// The lines of an answer's head, one behind the other, written into room that is there already: a buffer that looks for
// room and for other owners at each piece makes up a third of what an answer costs.

import Glibc
import HTTPTypes
import NIOCore

/// Takes pieces of text in their order. Lives as long as the call of `ByteBuffer.writeLines` that makes it.
package struct HeadLines {
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

    /// Text of a line or of a value.
    package mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Text of a value, without line ends.
    package mutating func put(text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    private mutating func put(_ bytes: ByteBuffer) { bytes.withUnsafeReadableBytes { put($0) } }

    /// Decimal digits.
    package mutating func put(number: Int) {
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

    /// Ends the line of a field.
    package mutating func endLine() { put("\r\n") }

    /// Lines that were made before.
    package mutating func put(_ lines: FieldLines) { put(lines.bytes) }

    /// A field as a line, its value byte for byte.
    package mutating func put(_ field: HTTPField) {
        put(text: field.name.rawName)
        put(": ")
        field.withUnsafeBytesOfValue { put(UnsafeRawBufferPointer($0)) }
        put("\r\n")
    }
}

/// Fields as they stand in a head, made once for answers that are given often. Immutable.
package final class FieldLines: Sendable {
    fileprivate let bytes: ByteBuffer

    /// The lines of `fields`, in their order.
    package init(_ fields: some Sequence<HTTPField>) {
        var lines = ByteBuffer()
        for field in fields { ResponseHead.write(field, into: &lines) }
        // As much as is needed, and no more: this is held for long.
        bytes = ByteBuffer(bytes: lines.readableBytesView)
    }

    /// Bytes held.
    package var byteCount: Int { bytes.storageCapacity }
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
