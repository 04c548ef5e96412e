// A body whose links are completed when it is answered: the base of its links (`http://host:port`) is left out of the
// stored bytes and put in again at the places noted, so that one stored page serves tools that know this proxy by
// different names.

import NIOCore

/// An answer's body with places for the base of its links. Immutable; copies share their bytes.
public struct SplicedBody: Sendable {
    /// The bytes without any base.
    public let bytes: ByteBuffer
    /// Ascending offsets into `bytes` at which the base belongs.
    public let splices: [Int]

    /// - Parameters:
    ///   - bytes: the body without bases, readable from its reader index.
    ///   - splices: ascending offsets, relative to the readable bytes, 0...count.
    public init(bytes: ByteBuffer, splices: [Int] = []) {
        self.bytes = bytes
        self.splices = splices
    }

    /// Length of the whole body in bytes.
    public func length(baseLength: Int) -> Int { bytes.readableBytes + splices.count * baseLength }

    /// Appends the whole body. Copies; for large bodies use `forEachPart`.
    public func write(base: String, into out: inout ByteBuffer) {
        forEachPart(base: base) {
            out.writeImmutableBuffer($0)
        } writeBase: {
            out.writeString($0)
        }
    }

    /// The body in order, without copying.
    public func forEachPart(base: String, _ take: (ByteBuffer) -> Void, writeBase: (String) -> Void) {
        var done = 0
        for splice in splices {
            if splice > done { take(part(done, splice)) }
            writeBase(base)
            done = splice
        }
        if done < bytes.readableBytes { take(part(done, bytes.readableBytes)) }
    }

    private func part(_ start: Int, _ end: Int) -> ByteBuffer {
        bytes.getSlice(at: bytes.readerIndex + start, length: end - start) ?? ByteBuffer()
    }

    /// Bytes really held.
    var cost: Int { bytes.storageCapacity + splices.count * MemoryLayout<Int>.stride }
}
