// A valid gzip stream (RFC 1952) of stored deflate blocks (RFC 1951 section 3.2.4). Nothing gets smaller;
// what matters to a client is that it must decode, check the CRC and not trust the length on the wire.

import NIOCore

/// Wraps pieces of a body into one gzip member.
struct GzipWriter: Sendable {
    private var crc: UInt32 = 0xFFFF_FFFF
    private var length: UInt32 = 0
    private var begun = false

    /// Appends `piece` as stored blocks of at most 65,535 bytes.
    mutating func write(_ piece: ByteBuffer, into out: inout ByteBuffer) {
        begin(&out)
        var rest = piece
        while rest.readableBytes > 0 {
            let size = min(rest.readableBytes, 65_535)
            guard var block = rest.readSlice(length: size) else { return }
            for byte in block.readableBytesView {
                crc = GzipWriter.table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8)
            }
            length &+= UInt32(size)
            out.writeInteger(UInt8(0))
            out.writeInteger(UInt16(size), endianness: .little)
            out.writeInteger(~UInt16(size), endianness: .little)
            out.writeBuffer(&block)
        }
    }

    /// Appends the final empty block and the trailer.
    mutating func finish(into out: inout ByteBuffer) {
        begin(&out)
        out.writeBytes([1, 0, 0, 0xFF, 0xFF])
        out.writeInteger(crc ^ 0xFFFF_FFFF, endianness: .little)
        out.writeInteger(length, endianness: .little)
    }

    private mutating func begin(_ out: inout ByteBuffer) {
        guard !begun else { return }
        begun = true
        out.writeBytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ (crc >> 1) : crc >> 1 }
    }
}
